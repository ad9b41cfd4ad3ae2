#include "registry/onnx/passes/rewrite.h"

namespace muster::onnx {

GraphIndex::GraphIndex(const Graph& graph) : graph_(graph) {
  for (std::size_t i = 0; i < graph.initializers.size(); ++i) {
    initializers_[graph.initializers[i].name] = i;
  }
  for (const ValueInfo& output : graph.outputs) {
    outputs_.insert(output.name);
    ++uses_[output.name];
  }
  for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
    for (const std::string& input : graph.nodes[i].inputs) ++uses_[input];
    for (const std::string& output : graph.nodes[i].outputs) makers_[output] = i;
  }
  makers_.erase("");
}

const Node* GraphIndex::Maker(const std::string& value) const {
  const auto found = makers_.find(value);
  return found == makers_.end() ? nullptr : &graph_.nodes[found->second];
}

const Tensor* GraphIndex::Initializer(const std::string& value) const {
  const auto found = initializers_.find(value);
  return found == initializers_.end() ? nullptr : &graph_.initializers[found->second];
}

std::size_t GraphIndex::Uses(const std::string& value) const {
  const auto found = uses_.find(value);
  return found == uses_.end() ? 0 : found->second;
}

const std::string& Replacer::Current(const std::string& value) const {
  const std::string* current = &value;
  for (auto next = use_instead_.find(*current); next != use_instead_.end();
       next = use_instead_.find(*current)) {
    current = &next->second;
  }
  return *current;
}

bool Replacer::Replace(std::size_t position, const std::string& value) {
  const std::string& output = graph_.nodes[position].outputs[0];
  const std::string& source = Current(value);
  if (source == output || source.empty() || output.empty()) return false;
  if (index_.IsOutput(output)) {
    // The name of a graph output stays: its source is renamed, which only what a node makes can be, and once.
    if (index_.IsOutput(source) || !index_.IsMade(source) || rename_.contains(source)) return false;
    rename_[source] = output;
  }
  use_instead_[output] = source;
  gone_.insert(position);
  return true;
}

std::size_t Replacer::Finish() {
  if (gone_.empty()) return 0;
  const auto final_name = [&](const std::string& value) {
    const std::string& current = Current(value);
    const auto renamed = rename_.find(current);
    return renamed == rename_.end() ? current : renamed->second;
  };
  std::vector<Node> kept;
  kept.reserve(graph_.nodes.size() - gone_.size());
  for (std::size_t i = 0; i < graph_.nodes.size(); ++i) {
    if (gone_.contains(i)) continue;
    Node& node = graph_.nodes[i];
    for (std::string& input : node.inputs) input = final_name(input);
    for (std::string& output : node.outputs) output = final_name(output);
    kept.push_back(std::move(node));
  }
  graph_.nodes = std::move(kept);
  // What was said of a value that became a graph output stands in the graph's outputs.
  std::erase_if(graph_.value_info, [&](const ValueInfo& info) {
    return rename_.contains(info.name) || use_instead_.contains(info.name);
  });
  return gone_.size();
}

NameMaker::NameMaker(const Graph& graph) {
  for (const ValueInfo& input : graph.inputs) taken_.insert(input.name);
  for (const Tensor& tensor : graph.initializers) taken_.insert(tensor.name);
  for (const Node& node : graph.nodes) taken_.insert(node.outputs.begin(), node.outputs.end());
}

std::string NameMaker::Unique(const std::string& wanted) {
  std::string name = wanted;
  for (int n = 2; !taken_.insert(name).second; ++n) name = wanted + "_" + std::to_string(n);
  return name;
}

}  // namespace muster::onnx
