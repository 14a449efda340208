// Pipelines for tests of the engine: specs built by hand, and stage kinds simple enough to be seen through.
//
//   keep_if   {text: x}          filters records whose value does not hold x
//   split     {by: "a b"}        ports a, b and rest: the first name that the value holds
//   reject_if {text: x}          rejects records whose value holds x
//   compute   {rounds: n}        lets everything pass, after so many rounds of arithmetic for each record
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "config/spec.h"
#include "pipeline/graph.h"
#include "stage/stage.h"

namespace millrace::test {

std::span<const StageKind* const> simple_stage_kinds();

// A spec and what its nodes point into.
class SpecBuilder {
 public:
  explicit SpecBuilder(const std::string& name = "test");

  SpecBuilder& source(const std::string& name, std::vector<std::string> topics,
                      config::OnError on_error = config::OnError::dead_letter, const std::string& format = "bytes");
  SpecBuilder& stage(const std::string& name, const std::string& from, const std::string& kind,
                     const std::string& argument, config::OnError on_error = config::OnError::dead_letter);
  // `from` of the form "a, b.port".
  SpecBuilder& destination(const std::string& name, const std::string& from, const std::string& topic,
                           config::OnError on_error = config::OnError::dead_letter);
  SpecBuilder& dead_letters(const std::string& topic);
  SpecBuilder& key(const std::string& expression, const std::string& key_as = "text");  // of the last destination
  SpecBuilder& partition(const std::string& how);                                       // "source" or an expression

  [[nodiscard]] config::PipelineSpec& spec() { return spec_; }
  // Null with the diagnostics' text in `errors`.
  std::unique_ptr<const Graph> build();
  std::string errors;

 private:
  const config::Node* node(const std::string& text);
  std::vector<config::Input> inputs(const std::string& from);

  config::PipelineSpec spec_;
  std::vector<std::unique_ptr<config::Node>> nodes_;
  expr::TableSet tables_;
  int line_ = 1;
};

// source "in" (topic "in") -> destination "out" (topic "out"), dead letters in "dead".
std::unique_ptr<const Graph> identity_graph();

}  // namespace millrace::test
