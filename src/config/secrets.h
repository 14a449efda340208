// ${env:NAME}, ${file:/path} and ${credential:name} in the YAML: found, checked and replaced. `$${` is a literal `${`.
// Used by the thread that loads a config, and by whoever rebuilds a client and reads its files again.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "base/error.h"

namespace millrace::config {

class Secrets {
 public:
  virtual ~Secrets() = default;
  // `source` is env, file or credential. The error's text never holds the value.
  [[nodiscard]] virtual Result<std::string> resolve(std::string_view source, std::string_view name) const = 0;
};

// Reads the environment (through `getenv`, so that tests bring their own), files, and systemd's credentials.
class SystemSecrets final : public Secrets {
 public:
  using GetEnv = std::function<const char*(const char*)>;
  explicit SystemSecrets(GetEnv getenv) : getenv_(std::move(getenv)) {}
  [[nodiscard]] Result<std::string> resolve(std::string_view source, std::string_view name) const override;

 private:
  const GetEnv getenv_;
};

// Whether the text holds something that substitute() would change.
bool has_reference(std::string_view text);

// Whether the text is one reference and nothing else: the only form in which secrets may be given.
bool is_reference(std::string_view text);

struct Substituted {
  std::string text;
  bool known = true;    // false: `secrets` is null and a reference stands as it was
  std::string problem;  // empty: well
};
Substituted substitute(std::string_view text, const Secrets* secrets);

}  // namespace millrace::config
