#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "runtime/base/result.h"
#include "trainer/export/builder.h"
#include "trainer/export/program.h"

/// One traced operator under translation, as the functions of ops_*.cc see it: its arguments by the
/// names of LibTorch's schema, its result's type, and the graph to add to. Private to
/// trainer/export.
///
/// The first Fail is kept and makes the rest of the translation harmless: accessors then answer
/// defaults, and nothing of the graph is used. So translations need no error handling of their own.

namespace muster::exporting {

using Shape = std::vector<Polynomial>;
using Ints = std::vector<std::int64_t>;

class Call {
 public:
  /// `names`: the ONNX value of each program value that has one; grows by this call's results.
  Call(const Program& program, const Operation& operation, std::vector<std::string>& names,
       GraphBuilder& graph)
      : program_(program), operation_(operation), names_(names), graph_(graph) {}

  // --- arguments ---
  [[nodiscard]] bool Has(std::string_view name) const;       ///< given, and not None
  [[nodiscard]] bool IsTensor(std::string_view name) const;  ///< not a number
  std::string In(std::string_view name);                     ///< a tensor, as an ONNX value
  /// A tensor or number, as an ONNX value of element type `type`.
  std::string In(std::string_view name, at::ScalarType type);
  std::vector<std::string> InList(std::string_view name, at::ScalarType type);
  /// A matrix, preferring the parameter itself: {value, must be read transposed}.
  std::pair<std::string, bool> Matrix(std::string_view name);
  /// The tensor when it is known now; undefined otherwise.
  at::Tensor Constant(std::string_view name);
  /// The tensors of a list, undefined where one is not known now.
  std::vector<at::Tensor> Constants(std::string_view name);
  /// The step of a tensor 0, step, 2 * step, ...; 0 when it is no such range, or not known to be one.
  std::int64_t RangeStep(std::string_view name);
  const TensorType& Type(std::string_view name);  ///< of a tensor
  /// The type in which LibTorch computes with two arguments, tensors or numbers.
  at::ScalarType Promoted(std::string_view left, std::string_view right);
  std::vector<const TensorType*> ListTypes(std::string_view name);
  /// The items of a list of optional tensors: the ONNX value, or "" where there is None.
  std::vector<std::string> OptionalList(std::string_view name);

  Polynomial Number(std::string_view name);  ///< an integer that may depend on the batch
  std::int64_t Int(std::string_view name);   ///< one that may not
  std::int64_t IntOr(std::string_view name, std::int64_t otherwise);
  double Real(std::string_view name);
  double RealOr(std::string_view name, double otherwise);
  bool Flag(std::string_view name);
  std::string Text(std::string_view name);
  Shape Numbers(std::string_view name);
  std::vector<double> Reals(std::string_view name);
  Ints IntList(std::string_view name);
  /// IntList, with a single number repeated `count` times.
  Ints IntList(std::string_view name, std::size_t count);
  /// A dimension, counted from 0, of a tensor of `rank`.
  std::int64_t Axis(std::string_view name, std::int64_t rank);
  /// The dimensions of a reduction: all of them when none are given.
  Ints Axes(std::string_view name, std::int64_t rank);

  // --- results ---
  [[nodiscard]] std::size_t results() const { return operation_.outputs.size(); }
  const TensorType& Out(std::size_t i = 0);
  void Return(const std::string& value) { Return(0, value); }
  void Return(std::size_t i, const std::string& value);

  // --- the graph ---
  std::string Node(const std::string& op, std::vector<std::string> inputs,
                   Attributes attributes = {}) {
    return graph_.Node(op, std::move(inputs), std::move(attributes));
  }
  std::string Cast(const std::string& value, at::ScalarType from, at::ScalarType to);
  std::string Reshape(const std::string& value, const Shape& from, const Shape& to);
  std::string Expand(const std::string& value, const Shape& from, const Shape& to);
  std::string Transpose(const std::string& value, const Ints& order);
  std::string Unsqueeze(const std::string& value, const Ints& axes);
  std::string Squeeze(const std::string& value, const Ints& axes);
  /// Elements `begin` to before `end` of dimension `axis`.
  std::string Slice(const std::string& value, std::int64_t axis, const Polynomial& begin,
                    const Polynomial& end);
  std::string Concat(std::vector<std::string> values, std::int64_t axis);
  /// The number without dimensions, in the element type of the result.
  std::string Scalar(double value) { return graph_.Scalar(value, Out().dtype); }
  GraphBuilder& graph() { return graph_; }

  // --- errors ---
  /// "aten::conv2d (in module 'conv1'): " and the reason; kUnsupported.
  void Fail(const std::string& why);
  void FailUnless(bool condition, const std::string& why) {
    if (!condition) Fail(why);
  }
  [[nodiscard]] const Status& status() const { return status_; }

 private:
  [[nodiscard]] const std::size_t* Find(std::string_view name) const;
  const Value& At(std::string_view name);
  std::string ValueName(std::size_t id);
  std::string Converted(std::size_t id, at::ScalarType type);
  at::Tensor Like(std::string_view name);
  Polynomial NumberOf(const Value& value, std::string_view name);

  const Program& program_;
  const Operation& operation_;
  std::vector<std::string>& names_;
  GraphBuilder& graph_;
  Status status_;
};

using Translation = std::function<void(Call&)>;
/// One family's rows: the operator's name without "aten::" and "_", and how it is translated.
using Translations = std::vector<std::pair<std::string, Translation>>;

/// 0, 1, ..., count - 1.
Ints Counted(std::int64_t count);

Translations ActivationOps();
Translations AttentionOps();
Translations ConvolutionOps();
Translations ElementwiseOps();
Translations EmbeddingOps();
Translations IndexingOps();
Translations LinearOps();
Translations NormalizationOps();
Translations PoolingOps();
Translations RecurrentOps();
Translations ReductionOps();
Translations ResamplingOps();
Translations ScatterOps();
Translations ShapeOps();

}  // namespace muster::exporting
