// JsonWriter: JSON text, written from left to right. A value; the thread that makes a page.
#pragma once

#include <fmt/core.h>

#include <cmath>
#include <concepts>
#include <string>
#include <string_view>

#include "base/text.h"

namespace millrace {

class JsonWriter {
 public:
  JsonWriter& open(char bracket) {
    comma();
    text_ += bracket;
    first_ = true;
    return *this;
  }
  JsonWriter& close(char bracket) {
    text_ += bracket;
    first_ = false;
    return *this;
  }
  JsonWriter& key(std::string_view name) {
    comma();
    text_ += '"' + escape_for_json(name) + "\":";
    first_ = true;
    return *this;
  }
  JsonWriter& value(std::string_view text) { return raw('"' + escape_for_json(text) + '"'); }
  JsonWriter& value(const char* text) { return value(std::string_view(text)); }
  JsonWriter& value(bool yes) { return raw(yes ? "true" : "false"); }
  JsonWriter& value(double number) { return raw(std::isfinite(number) ? fmt::format("{:.6g}", number) : "null"); }
  template <std::integral T>
  JsonWriter& value(T number) {
    return raw(std::to_string(number));
  }
  template <typename T>
  JsonWriter& member(std::string_view name, const T& of) {
    key(name);
    return value(of);
  }

  [[nodiscard]] const std::string& text() const { return text_; }

 private:
  JsonWriter& raw(std::string_view text) {
    comma();
    text_ += text;
    return *this;
  }
  void comma() {
    if (!first_) text_ += ',';
    first_ = false;
  }

  std::string text_;
  bool first_ = true;  // nothing stands before the next item that a comma would have to part it from
};

}  // namespace millrace
