#pragma once

#include <map>
#include <string>
#include <unordered_set>
#include <vector>

#include "registry/onnx/graph.h"
#include "trainer/export/program.h"
#include "trainer/export/symbols.h"

/// Adds nodes and constants to an ONNX graph and keeps every name unique. Private to
/// trainer/export.

namespace muster::exporting {

using Attributes = std::vector<onnx::Attribute>;

onnx::DataType OnnxType(at::ScalarType type);  ///< kUndefined where ONNX has none
/// The tensor's elements, row-major, from any device; where they are so on the host, they are
/// borrowed from it.
onnx::Tensor OnnxTensor(const std::string& name, const at::Tensor& tensor);

class GraphBuilder {
 public:
  GraphBuilder(std::string graph_name, Symbols symbols);

  /// Names the next graph input.
  void Input(const std::string& name, const TensorType& type);

  /// Nodes made from now on are called "scope/op".
  void set_scope(const std::string& scope) { scope_ = scope; }

  /// Adds a node and answers the names of its outputs.
  std::vector<std::string> Node(const std::string& op, std::vector<std::string> inputs,
                                Attributes attributes, int outputs);
  std::string Node(const std::string& op, std::vector<std::string> inputs,
                   Attributes attributes = {}) {
    return Node(op, std::move(inputs), std::move(attributes), 1)[0];
  }

  /// A parameter under its own name, or where that is taken one like it; the same again answers the same value.
  std::string State(const std::string& name, const at::Tensor& tensor);
  /// An unnamed constant, called after `hint`.
  std::string Constant(const at::Tensor& tensor, const std::string& hint = "constant");
  std::string Scalar(double value, at::ScalarType type);        ///< without dimensions
  std::string Int64s(const std::vector<std::int64_t>& values);  ///< one dimension
  std::string Int64(std::int64_t value);                        ///< without dimensions

  /// A one-dimensional int64 value with these numbers, computed from the inputs' sizes where it must.
  std::string Shape(const std::vector<Polynomial>& numbers);
  /// The number without dimensions.
  std::string Number(const Polynomial& number);

  /// Says the type and shape of a value.
  void Describe(const std::string& value, const TensorType& type);

  /// Makes `value` the graph's next output under `name`.
  void Output(const std::string& name, const std::string& value, const TensorType& type);

  /// The graph, with what no output needs still in it: see registry/onnx/passes.
  onnx::Graph Take();

 private:
  std::string Unique(const std::string& wanted);
  onnx::ValueInfo Info(const std::string& name, const TensorType& type) const;
  std::string Computed(const Polynomial& number);  ///< one dimension, one element
  std::string Product(SymbolSet symbols);          ///< the same
  void RenameOutputs();

  onnx::Graph graph_;
  Symbols symbols_;
  std::string scope_;
  std::unordered_set<std::string> names_;
  std::map<Polynomial, std::string> numbers_;  ///< those computed
  std::map<SymbolSet, std::string> products_;
  std::map<std::vector<std::int64_t>, std::string> lists_;
  std::map<std::string, std::string> scalars_;
  std::map<std::string, std::string> states_;
};

}  // namespace muster::exporting
