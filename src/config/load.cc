#include "config/load.h"

#include <fmt/core.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <array>
#include <map>
#include <sstream>

#include "base/text.h"
#include "config/quantity.h"
#include "config/source_text.h"

namespace millrace::config {

namespace {

constexpr std::string_view kAfterBlock = "write the expression after `|-`";

// Leaves yaml-cpp when a limit is reached; caught in load_document.
struct LimitReached {
  Position position;
  std::string text;
};

// Makes the tree from yaml-cpp's events.
class TreeBuilder final : public YAML::EventHandler {
 public:
  TreeBuilder(const SourceText& source, Diagnostics& diagnostics, const Secrets* secrets, const LoadLimits& limits)
      : source_(source), diagnostics_(diagnostics), secrets_(secrets), limits_(limits) {}

  Node take_root() { return std::move(root_); }
  [[nodiscard]] bool has_root() const { return has_root_; }

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (documents_++ == 1) throw LimitReached{place(mark), "only one document is read; remove what follows"};
  }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override { add(make(mark, Node::Kind::null, anchor)); }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override {
    diagnostics_.error(place(mark), "aliases (`*name`) are not supported; write the value out");
    Node node = make(mark, Node::Kind::scalar, 0);
    node.tag = Node::kAlias;
    add(std::move(node));
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    Node node = make(mark, Node::Kind::scalar, anchor);
    node.text = value;
    read_tag(node, mark, tag);
    source_.locate(node, source_.offset(mark.line, mark.column));
    add(std::move(node));
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value style) override {
    open(mark, tag, anchor, style, Node::Kind::list);
  }
  void OnSequenceEnd() override { close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value style) override {
    open(mark, tag, anchor, style, Node::Kind::map);
  }
  void OnMapEnd() override { close(); }

 private:
  // A map or a list that is not complete yet.
  struct Open {
    Node node;
    std::optional<Node> key;                        // of a map: the key whose value comes next
    std::map<std::string, int, std::less<>> lines;  // of a map: where each key was given
    bool drop = false;                              // the value that comes next belongs to a wrong key
  };

  Position place(const YAML::Mark& mark) const { return source_.position(source_.offset(mark.line, mark.column)); }

  Node make(const YAML::Mark& mark, Node::Kind kind, YAML::anchor_t anchor) {
    Node node;
    node.kind = kind;
    node.position = place(mark);
    node.in_flow = !open_.empty() && (open_.back().node.flow || open_.back().node.in_flow);
    node.secrets = secrets_;
    if (++nodes_ > limits_.nodes) {
      throw LimitReached{node.position, fmt::format("the file has more than {} nodes", limits_.nodes)};
    }
    if (anchor != 0) diagnostics_.error(node.position, "anchors (`&name`) are not supported; write the value out");
    return node;
  }

  void read_tag(Node& node, const YAML::Mark& mark, const std::string& tag) {
    if (tag.empty() || tag == "?" || tag == "!") return;
    node.tag = std::string(source_.tag_at(source_.offset(mark.line, mark.column)));
    if (node.tag.empty()) node.tag = tag;
    if (tag == "tag:yaml.org,2002:str" && node.is_scalar()) return;
    diagnostics_.error(node.position,
                       fmt::format("YAML takes {} for a tag, and tags are not supported; if it begins an "
                                   "expression, {}",
                                   in_ticks(node.tag), kAfterBlock));
  }

  void open(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, YAML::EmitterStyle::value style,
            Node::Kind kind) {
    Open next{make(mark, kind, anchor), {}, {}, false};
    next.node.flow = style == YAML::EmitterStyle::Flow;
    read_tag(next.node, mark, tag);
    if (open_.size() >= limits_.depth) {
      throw LimitReached{next.node.position, fmt::format("the file is nested deeper than {}", limits_.depth)};
    }
    open_.push_back(std::move(next));
  }

  void close() {
    Node node = std::move(open_.back().node);
    open_.pop_back();
    add(std::move(node));
  }

  void add(Node node) {
    if (open_.empty()) {
      root_ = std::move(node);
      has_root_ = true;
      return;
    }
    Open& parent = open_.back();
    if (parent.node.is_list()) {
      parent.node.items.push_back(std::move(node));
    } else if (!parent.key) {
      add_key(parent, std::move(node));
    } else {
      // yaml-cpp puts a missing value where the next thing begins; people look for it at its key.
      if (node.is_null()) node.position = parent.key->position;
      if (!parent.drop) parent.node.members.push_back({std::move(*parent.key), std::move(node)});
      parent.key.reset();
      parent.drop = false;
    }
  }

  void add_key(Open& parent, Node key) {
    if (!key.is_scalar()) {
      const char* text = key.is_null() ? "a key is missing in front of the `:`" : "a key must be text";
      diagnostics_.error(key.position, text);
      parent.drop = true;
    } else if (const auto [first, fresh] = parent.lines.try_emplace(key.text, key.position.line); !fresh) {
      diagnostics_.error(key.position, fmt::format("key {} is given twice; the first is in line {}", in_ticks(key.text),
                                                   first->second));
      parent.drop = true;
    }
    parent.key = std::move(key);
  }

  const SourceText& source_;
  Diagnostics& diagnostics_;
  const Secrets* secrets_;
  const LoadLimits limits_;
  std::vector<Open> open_;
  Node root_;
  bool has_root_ = false;
  size_t nodes_ = 0;
  int documents_ = 0;
};

// yaml-cpp's texts are for its authors; these are for people who write configs.
std::string syntax_error_text(const std::string& message) {
  struct Known {
    std::string_view theirs;
    std::string_view ours;
  };
  static constexpr std::array kKnown{
      Known{"end of map not found",
            "this does not fit into the map that it stands in: look at the indentation, and at "
            "quotes and colons inside values"},
      Known{"end of map flow not found", "`{` is not closed, or a comma is missing"},
      Known{"end of sequence not found", "this does not fit into the list that it stands in: look at the indentation"},
      Known{"end of sequence flow not found", "`[` is not closed, or a comma is missing"},
      Known{"illegal map value", "a `:` is not possible here"},
      Known{"illegal block entry", "a `-` is not possible here"},
      Known{"illegal map key", "a `?` is not possible here"},
      Known{"illegal flow end", "this bracket closes nothing"},
      Known{"illegal EOF in scalar", "a quote is not closed"},
      Known{"illegal document indicator in scalar", "a quote is not closed"},
      Known{"illegal tab when looking for indentation", "a tab cannot indent; use blanks"},
      Known{"the referenced anchor is not defined", "aliases (`*name`) are not supported; write the value out"},
      Known{"unknown token", "YAML cannot begin a value with this character; quote it"},
  };
  for (const Known& known : kKnown) {
    if (message.starts_with(known.theirs)) return std::string(known.ours);
  }
  return escape_for_log(message);
}

// The first byte that a config cannot hold: no UTF-8, or a control character (yaml-cpp takes some for the end).
std::optional<size_t> first_bad_byte(std::string_view text) {
  for (size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if ((byte < 0x20 && byte != '\t' && byte != '\n') || byte == 0x7f) return i;
  }
  const size_t good = valid_utf8_prefix(text);
  return good == text.size() ? std::nullopt : std::optional(good);
}

// yaml-cpp trips over tabs somewhere behind them.
bool begins_with_tab(const SourceText& source, size_t offset) {
  const std::string& text = source.text();
  const size_t begin = offset == 0 ? 0 : text.rfind('\n', offset - 1) + 1;
  const size_t first = text.find_first_not_of(' ', begin);
  return first != std::string::npos && text[first] == '\t';
}

}  // namespace

// Shared by whoever keeps a copy of the spec, whose nodes point into it.
std::shared_ptr<const Node> load_document(const std::string& text, Diagnostics& diagnostics, const Secrets* secrets,
                                          const LoadLimits& limits) {
  if (text.size() > limits.bytes) {
    diagnostics.error(
        {}, fmt::format("the file has {}; at most {} are read", format_bytes(static_cast<int64_t>(text.size())),
                        format_bytes(static_cast<int64_t>(limits.bytes))));
    return nullptr;
  }
  const SourceText source(text);
  if (const auto bad = first_bad_byte(source.text())) {
    diagnostics.error(source.position(*bad), "the file must be UTF-8 text without control characters");
    return nullptr;
  }
  TreeBuilder builder(source, diagnostics, secrets, limits);
  try {
    std::istringstream stream(source.text());
    YAML::Parser parser(stream);
    while (parser.HandleNextDocument(builder)) {
    }
  } catch (const LimitReached& limit) {
    diagnostics.error(limit.position, limit.text);
    return nullptr;
  } catch (const YAML::Exception& error) {
    const size_t offset = error.mark.is_null() ? 0 : source.offset(error.mark.line, error.mark.column);
    const std::string problem =
        begins_with_tab(source, offset)
            ? "a tab cannot indent; use blanks"
            : fmt::format("{} (if it is an expression, {})", syntax_error_text(error.msg), kAfterBlock);
    diagnostics.error(source.position(offset), problem);
    return nullptr;
  }
  if (!builder.has_root()) {
    diagnostics.error({}, "the file is empty");
    return nullptr;
  }
  return std::make_shared<const Node>(builder.take_root());
}

std::string hash_text(std::string_view text) {
  uint64_t hash = 0xcbf29ce484222325ULL;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
  return fmt::format("{:016x}", hash);
}

}  // namespace millrace::config
