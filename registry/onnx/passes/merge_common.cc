#include <algorithm>
#include <map>

#include "registry/onnx/attributes.h"
#include "registry/onnx/passes/passes.h"
#include "registry/onnx/passes/rewrite.h"

namespace muster::onnx {
namespace {

template <typename T>
void AppendRaw(const T& value, std::string& key) {
  key.append(reinterpret_cast<const char*>(&value), sizeof(value));
}

/// With its length, so that "a" + "bc" is not "ab" + "c".
void AppendText(std::string_view text, std::string& key) {
  AppendRaw(text.size(), key);
  key += text;
}

struct KeyWriter {
  std::string& key;
  void operator()(std::int64_t value) const { AppendRaw(value, key); }
  void operator()(float value) const { AppendRaw(value, key); }
  void operator()(const std::string& value) const { AppendText(value, key); }
  void operator()(const Tensor& value) const {
    AppendRaw(value.type, key);
    for (const std::int64_t dim : value.dims) AppendRaw(dim, key);
    AppendText(value.bytes, key);
  }
  template <typename T>
  void operator()(const std::vector<T>& values) const {
    AppendRaw(values.size(), key);
    for (const T& value : values) (*this)(value);
  }
};

bool IsRandom(const Node& node) {
  static constexpr std::string_view kRandom[] = {
      "Bernoulli",        "Dropout",       "Multinomial",      "RandomNormal",
      "RandomNormalLike", "RandomUniform", "RandomUniformLike"};
  return std::ranges::find(kRandom, node.op_type) != std::end(kRandom);
}

std::string KeyOf(const Node& node, const Replacer& replacer) {
  std::string key;
  AppendText(node.op_type, key);
  AppendRaw(node.inputs.size(), key);
  for (const std::string& input : node.inputs) AppendText(replacer.Current(input), key);
  std::vector<const Attribute*> sorted;
  sorted.reserve(node.attributes.size());
  for (const Attribute& attribute : node.attributes) sorted.push_back(&attribute);
  std::ranges::sort(sorted, {}, [](const Attribute* a) -> const std::string& { return a->name; });
  for (const Attribute* attribute : sorted) {
    AppendText(attribute->name, key);
    AppendRaw(attribute->value.index(), key);
    std::visit(KeyWriter{key}, attribute->value);
  }
  return key;
}

/// Parameters keep their names, so only what is surely none is merged.
std::size_t MergeConstants(Graph& graph) {
  std::map<std::string, std::string> first;
  std::map<std::string, std::string> instead;
  for (const Tensor& tensor : graph.initializers) {
    const bool is_number = tensor.type == DataType::kInt64 && tensor.bytes.size() <= 1024;
    if (!is_number && !tensor.dims.empty()) continue;
    std::string key;
    AppendRaw(tensor.dims.size(), key);
    KeyWriter{key}(tensor);
    const auto [same, is_new] = first.try_emplace(key, tensor.name);
    if (!is_new) instead[tensor.name] = same->second;
  }
  std::size_t changes = 0;
  for (Node& node : graph.nodes) {
    for (std::string& input : node.inputs) {
      const auto found = instead.find(input);
      if (found == instead.end()) continue;
      input = found->second;
      ++changes;
    }
  }
  return changes;
}

}  // namespace

Passed MergeCommon(Model model) {
  std::size_t changes = MergeConstants(model.graph);
  Replacer replacer(model.graph);
  std::map<std::string, std::size_t> first;
  for (std::size_t i = 0; i < model.graph.nodes.size(); ++i) {
    const Node& node = model.graph.nodes[i];
    if (!node.domain.empty() || node.outputs.size() != 1 || IsRandom(node)) continue;
    const auto [same, is_new] = first.try_emplace(KeyOf(node, replacer), i);
    if (!is_new) replacer.Replace(i, model.graph.nodes[same->second].outputs[0]);
  }
  changes += replacer.Finish();
  return {std::move(model), changes};
}

}  // namespace muster::onnx
