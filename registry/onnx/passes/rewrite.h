#pragma once

#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "registry/onnx/graph.h"

/// What the passes share. Private to registry/onnx/passes.

namespace muster::onnx {

/// Who makes and who uses the values of a graph. It holds views and positions: valid until nodes or initializers come,
/// go or are renamed; `Uses` also until an input changes.
class GraphIndex {
 public:
  explicit GraphIndex(const Graph& graph);

  /// The node that makes `value`; null for inputs, initializers and what nothing makes.
  [[nodiscard]] const Node* Maker(const std::string& value) const;
  [[nodiscard]] const Tensor* Initializer(const std::string& value) const;  ///< null: it is none
  /// How many node inputs and graph outputs `value` is.
  [[nodiscard]] std::size_t Uses(const std::string& value) const;
  [[nodiscard]] bool IsOutput(const std::string& value) const { return outputs_.contains(value); }
  [[nodiscard]] bool IsMade(const std::string& value) const { return makers_.contains(value); }

 private:
  const Graph& graph_;
  std::unordered_map<std::string_view, std::size_t> makers_, initializers_, uses_;
  std::unordered_set<std::string_view> outputs_;
};

/// Replaces values by others that hold the same, and the nodes that made them away.
class Replacer {
 public:
  explicit Replacer(Graph& graph) : graph_(graph), index_(graph) {}

  [[nodiscard]] const GraphIndex& index() const { return index_; }
  /// Output 0 of node `position` is the same as `value`, which comes before it: users take that one and the node goes.
  /// Where both are graph outputs, or one is and the other has no maker, both must stay: false.
  bool Replace(std::size_t position, const std::string& value);
  /// What `value` is called after the replacements until now.
  [[nodiscard]] const std::string& Current(const std::string& value) const;
  /// Carries the replacements out; answers how many there were. Nothing else may be called after it.
  std::size_t Finish();

 private:
  Graph& graph_;
  GraphIndex index_;
  std::unordered_map<std::string, std::string> use_instead_;  ///< value -> value, chains allowed
  std::unordered_map<std::string, std::string> rename_;       ///< value -> graph output it becomes
  std::unordered_set<std::size_t> gone_;
};

/// `wanted`, or `wanted` with "_2", "_3", ... when that is taken.
class NameMaker {
 public:
  explicit NameMaker(const Graph& graph);
  std::string Unique(const std::string& wanted);

 private:
  std::unordered_set<std::string> taken_;
};

}  // namespace muster::onnx
