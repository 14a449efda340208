#include "support/test_graph.h"

#include "base/check.h"
#include "base/text.h"

namespace millrace::test {

namespace {

class KeepIf final : public Stage {
 public:
  explicit KeepIf(std::string text) : text_(std::move(text)) {}
  void process(std::span<const Item* const> in, StageContext&, StageOutput& out) override {
    for (const Item* item : in) {
      if (item->record.value.view().find(text_) != std::string_view::npos) {
        out.emit(0, item);
      } else {
        out.filtered(item);
      }
    }
  }

 private:
  const std::string text_;
};

class Split final : public Stage {
 public:
  explicit Split(std::vector<std::string> names) : names_(std::move(names)) {}
  void process(std::span<const Item* const> in, StageContext&, StageOutput& out) override {
    for (const Item* item : in) {
      size_t port = 0;
      while (port < names_.size() && item->record.value.view().find(names_[port]) == std::string_view::npos) ++port;
      out.emit(port, item);
    }
  }

 private:
  const std::vector<std::string> names_;
};

class RejectIf final : public Stage {
 public:
  explicit RejectIf(std::string text) : text_(std::move(text)) {}
  void process(std::span<const Item* const> in, StageContext&, StageOutput& out) override {
    for (const Item* item : in) {
      if (item->record.value.view().find(text_) != std::string_view::npos) {
        out.reject(item, RejectReason::rule_broken, "holds what it must not");
      } else {
        out.emit(0, item);
      }
    }
  }

 private:
  const std::string text_;
};

class Compute final : public Stage {
 public:
  explicit Compute(const std::string& rounds) : rounds_(std::stoi(rounds)) {}
  void process(std::span<const Item* const> in, StageContext&, StageOutput& out) override {
    for (const Item* item : in) {
      uint64_t sum = item->record.value.size;
      for (int i = 0; i < rounds_; ++i) sum = sum * 6364136223846793005ULL + 1442695040888963407ULL;
      sum_ = sum_ + sum;
      out.emit(0, item);
    }
  }

 private:
  const int rounds_;
  volatile uint64_t sum_ = 0;  // so that the arithmetic is done
};

template <typename Kind>
StagePlan read_text(StageSetup& setup) {
  const std::string text = setup.body.text;
  StagePlan plan;
  plan.ports = {""};
  plan.make = [text] { return std::make_unique<Kind>(text); };
  return plan;
}

StagePlan read_split(StageSetup& setup) {
  std::vector<std::string> names;
  for (const auto part : split(setup.body.text, ' ')) names.emplace_back(part);
  StagePlan plan;
  plan.ports = names;
  plan.ports.emplace_back("rest");
  plan.make = [names] { return std::make_unique<Split>(names); };
  return plan;
}

constexpr StageKind kKeepIf{"keep_if", "", "", &read_text<KeepIf>};
constexpr StageKind kSplit{"split", "", "", &read_split};
constexpr StageKind kRejectIf{"reject_if", "", "", &read_text<RejectIf>};
constexpr StageKind kCompute{"compute", "", "", &read_text<Compute>};
constexpr const StageKind* kKinds[] = {&kKeepIf, &kSplit, &kRejectIf, &kCompute};

}  // namespace

std::span<const StageKind* const> simple_stage_kinds() {
  return kKinds;
}

SpecBuilder::SpecBuilder(const std::string& name) {
  spec_.name = name;
  spec_.file = name + ".yaml";
  spec_.config_hash = "0123456789abcdef";
}

const config::Node* SpecBuilder::node(const std::string& text) {
  auto node = std::make_unique<config::Node>();
  node->kind = config::Node::Kind::scalar;
  node->text = text;
  node->position = {line_, 5};
  nodes_.push_back(std::move(node));
  return nodes_.back().get();
}

std::vector<config::Input> SpecBuilder::inputs(const std::string& from) {
  std::vector<config::Input> all;
  for (const auto part : split(from, ',')) {
    const std::string name(trim(part));
    const size_t dot = name.find('.');
    config::Input input;
    input.node = name.substr(0, dot);
    if (dot != std::string::npos) input.port = name.substr(dot + 1);
    input.position = {line_, 11};
    all.push_back(std::move(input));
  }
  return all;
}

SpecBuilder& SpecBuilder::source(const std::string& name, std::vector<std::string> topics, config::OnError on_error,
                                 const std::string& format) {
  config::SourceSpec source;
  source.name = name;
  source.position = {++line_, 3};
  source.topics = std::move(topics);
  source.format = format;
  source.on_error = on_error;
  spec_.sources.push_back(std::move(source));
  return *this;
}

SpecBuilder& SpecBuilder::stage(const std::string& name, const std::string& from, const std::string& kind,
                                const std::string& argument, config::OnError on_error) {
  config::StageSpec stage;
  stage.name = name;
  stage.position = {++line_, 3};
  stage.from = inputs(from);
  stage.kind = kind;
  stage.body = node(argument);
  stage.on_error = on_error;
  spec_.stages.push_back(std::move(stage));
  return *this;
}

SpecBuilder& SpecBuilder::destination(const std::string& name, const std::string& from, const std::string& topic,
                                      config::OnError on_error) {
  config::DestinationSpec destination;
  destination.name = name;
  destination.position = {++line_, 3};
  destination.from = inputs(from);
  destination.topic = topic;
  destination.on_error = on_error;
  spec_.destinations.push_back(std::move(destination));
  return *this;
}

SpecBuilder& SpecBuilder::dead_letters(const std::string& topic) {
  spec_.dead_letters.topic = topic;
  spec_.dead_letters.position = {++line_, 1};
  return *this;
}

SpecBuilder& SpecBuilder::key(const std::string& expression, const std::string& key_as) {
  auto& destination = spec_.destinations.back();
  destination.key = config::ExpressionText{expression, node(expression)};
  destination.key_as = key_as;
  return *this;
}

SpecBuilder& SpecBuilder::partition(const std::string& how) {
  auto& destination = spec_.destinations.back();
  if (how == "source") {
    destination.partition = how;
  } else {
    destination.partition = "expression";
    destination.partition_expression = config::ExpressionText{how, node(how)};
  }
  return *this;
}

std::unique_ptr<const Graph> SpecBuilder::build() {
  config::Diagnostics diagnostics;
  auto graph = build_graph(spec_, simple_stage_kinds(), tables_, diagnostics);
  errors = diagnostics.text(spec_.file);
  return graph;
}

std::unique_ptr<const Graph> identity_graph() {
  SpecBuilder builder;
  builder.source("in", {"in"}).destination("out", "in", "out").dead_letters("dead");
  auto graph = builder.build();
  CHECK_MSG(graph != nullptr, builder.errors);
  return graph;
}

}  // namespace millrace::test
