#include <algorithm>
#include <iterator>
#include <unordered_set>

#include "registry/onnx/passes/passes.h"

namespace muster::onnx {

Passed RemoveUnused(Model model) {
  Graph& graph = model.graph;
  const std::size_t before =
      graph.nodes.size() + graph.initializers.size() + graph.value_info.size();
  std::unordered_set<std::string> used;
  for (const ValueInfo& output : graph.outputs) used.insert(output.name);
  std::vector<Node> kept;
  for (auto node = graph.nodes.rbegin(); node != graph.nodes.rend(); ++node) {
    const bool needed =
        std::any_of(node->outputs.begin(), node->outputs.end(),
                    [&](const std::string& name) { return !name.empty() && used.contains(name); });
    if (!needed) continue;
    used.insert(node->inputs.begin(), node->inputs.end());
    kept.push_back(std::move(*node));
  }
  graph.nodes.assign(std::make_move_iterator(kept.rbegin()), std::make_move_iterator(kept.rend()));
  std::erase_if(graph.initializers, [&](const Tensor& t) { return !used.contains(t.name); });

  std::unordered_set<std::string> made;
  for (const Node& node : graph.nodes) made.insert(node.outputs.begin(), node.outputs.end());
  for (const ValueInfo& output : graph.outputs) made.erase(output.name);
  // Erased as it is seen, so that a second description of a value goes too.
  std::erase_if(graph.value_info,
                [&](const ValueInfo& info) { return made.erase(info.name) == 0; });
  const std::size_t after =
      graph.nodes.size() + graph.initializers.size() + graph.value_info.size();
  return {std::move(model), before - after};
}

}  // namespace muster::onnx
