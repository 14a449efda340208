// What can be said about the graph without knowing what the stages do: names, inputs, circles, readers, topics.
#include <fmt/core.h>

#include <algorithm>
#include <map>

#include "base/text.h"
#include "config/parsing.h"
#include "config/quantity.h"

namespace millrace::config {

namespace {

class GraphCheck {
 public:
  explicit GraphCheck(const Parsing& parsing)
      : spec_(parsing.spec), diagnostics_(parsing.diagnostics), inputs_known_(parsing.inputs_known) {}

  void run() {
    name_nodes();
    for (size_t i = 0; i < spec_.stages.size(); ++i) {
      check_inputs(fmt::format("stage `{}`", spec_.stages[i].name), spec_.stages[i].from);
    }
    for (const DestinationSpec& destination : spec_.destinations) {
      check_inputs(fmt::format("destination `{}`", destination.name), destination.from);
    }
    check_circles();
    if (inputs_known_) check_readers();
    check_topics();
  }

 private:
  struct Known {
    bool is_source = false;
    size_t index = 0;
    bool read = false;
  };

  void name_nodes() {
    for (size_t i = 0; i < spec_.sources.size(); ++i) {
      nodes_.emplace(spec_.sources[i].name, Known{true, i, false});
      names_.push_back(spec_.sources[i].name);
    }
    for (size_t i = 0; i < spec_.stages.size(); ++i) {
      const StageSpec& stage = spec_.stages[i];
      names_.push_back(stage.name);
      if (nodes_.emplace(stage.name, Known{false, i, false}).second) continue;
      diagnostics_.error(stage.position, fmt::format("the name `{}` is taken by a source", stage.name));
    }
  }

  void check_inputs(const std::string& owner, const std::vector<Input>& inputs) {
    for (size_t i = 0; i < inputs.size(); ++i) {
      check_input(owner, inputs[i]);
      for (size_t j = 0; j < i; ++j) {
        if (inputs[i].node != inputs[j].node) continue;
        if (inputs[i].port == inputs[j].port) {
          diagnostics_.error(inputs[i].position, fmt::format("{}: `{}` is listed twice", owner, text_of(inputs[i])));
        } else if (inputs[i].port.empty() || inputs[j].port.empty()) {
          diagnostics_.error(inputs[i].position, fmt::format("{}: `{}` has all ports, so that a port of it beside it "
                                                             "would bring its records twice",
                                                             owner, inputs[i].node));
        }
      }
    }
  }

  void check_input(const std::string& owner, const Input& input) {
    if (const auto found = nodes_.find(input.node); found != nodes_.end()) {
      found->second.read = true;
      if (found->second.is_source && !input.port.empty()) {
        diagnostics_.error(input.position, fmt::format("{}: source `{}` has no ports; write `from: {}`", owner,
                                                       input.node, input.node));
      }
      return;
    }
    inputs_known_ = false;
    const bool destination = std::any_of(spec_.destinations.begin(), spec_.destinations.end(),
                                         [&](const DestinationSpec& spec) { return spec.name == input.node; });
    if (destination) {
      diagnostics_.error(input.position,
                         fmt::format("{}: `{}` is a destination; nothing comes out of it", owner, input.node));
      return;
    }
    if (names_.empty()) return;  // that nothing exists has been said
    const std::string near = nearest(input.node, names_);
    diagnostics_.error(input.position,
                       fmt::format("{}: there is no source or stage `{}`{}; there are {}", owner, input.node,
                                   near.empty() ? "" : ", did you mean `" + near + "`?", quoted_list(names_)));
  }

  static std::string text_of(const Input& input) {
    return input.port.empty() ? input.node : input.node + "." + input.port;
  }

  // The stage that an input names, when it is one.
  const Known* feeding_stage(const Input& input) const {
    const auto found = nodes_.find(input.node);
    return found == nodes_.end() || found->second.is_source ? nullptr : &found->second;
  }

  // Takes away the stages that only need what has been taken; what remains is in a circle, or behind one.
  void check_circles() {
    std::vector<bool> done(spec_.stages.size(), false);
    while (true) {
      for (bool moved = true; moved;) {
        moved = false;
        for (size_t i = 0; i < done.size(); ++i) {
          const auto& from = spec_.stages[i].from;
          const bool ready = std::all_of(from.begin(), from.end(), [&](const Input& input) {
            const Known* stage = feeding_stage(input);
            return stage == nullptr || done[stage->index];
          });
          if (done[i] || !ready) continue;
          done[i] = true;
          moved = true;
        }
      }
      const auto first = std::find(done.begin(), done.end(), false);
      if (first == done.end()) return;
      name_circle(done, static_cast<size_t>(first - done.begin()));
    }
  }

  // From any stage that is not done, going on to an input that is not done must come back somewhere.
  // Its stages then count as done, so that the next circle is found too.
  void name_circle(std::vector<bool>& done, size_t at) {
    std::vector<size_t> way;
    while (std::find(way.begin(), way.end(), at) == way.end()) {
      way.push_back(at);
      for (const Input& input : spec_.stages[at].from) {
        const Known* stage = feeding_stage(input);
        if (stage == nullptr || done[stage->index]) continue;
        at = stage->index;
        break;
      }
    }
    way.erase(way.begin(), std::find(way.begin(), way.end(), at));
    way.push_back(at);
    for (const size_t stage : way) done[stage] = true;
    std::string text;
    for (auto stage = way.rbegin(); stage != way.rend(); ++stage) {
      text += (text.empty() ? "`" : " -> `") + spec_.stages[*stage].name + "`";
    }
    diagnostics_.error(spec_.stages[at].position, "stages feed each other in a circle: " + text);
  }

  void check_readers() {
    for (const auto& [name, node] : nodes_) {
      if (node.read) continue;
      const Position position = node.is_source ? spec_.sources[node.index].position : spec_.stages[node.index].position;
      diagnostics_.error(position, fmt::format("{} `{}` is read by nobody: give it a reader, or remove it",
                                               node.is_source ? "source" : "stage", name));
    }
  }

  void check_topics() {
    std::map<std::string, std::string> readers;
    for (const SourceSpec& source : spec_.sources) {
      for (const std::string& topic : source.topics) {
        const auto [other, fresh] = readers.emplace(topic, source.name);
        if (fresh) continue;
        diagnostics_.error(source.position,
                           fmt::format("source `{}`: topic {} is read by source `{}` already; read it once "
                                       "and let several stages take from that source",
                                       source.name, in_ticks(topic), other->second));
      }
    }
    const auto check = [&](const std::string& topic, const std::string& owner, Position position) {
      const auto reader = readers.find(topic);
      if (topic.empty() || reader == readers.end()) return;
      diagnostics_.error(position,
                         fmt::format("{}: topic {} is also read by source `{}`: records would go round for ever", owner,
                                     in_ticks(topic), reader->second));
    };
    for (const DestinationSpec& destination : spec_.destinations) {
      check(destination.topic, fmt::format("destination `{}`", destination.name), destination.position);
    }
    check(spec_.dead_letters.topic, "dead_letters", spec_.dead_letters.position);
  }

  const PipelineSpec& spec_;
  Diagnostics& diagnostics_;
  bool inputs_known_;
  std::map<std::string, Known, std::less<>> nodes_;
  std::vector<std::string> names_;
};

}  // namespace

void check_graph(Parsing& parsing) {
  GraphCheck(parsing).run();
}

}  // namespace millrace::config
