#pragma once

#include <cmath>
#include <cstring>
#include <limits>

#include "registry/gates.h"

/// Held-out rows whose truth is known by arithmetic: N rows of one f32 column, two classes or more, a segment "s" of
/// two groups (row % 2).

namespace muster::registry::gates {

inline constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

template <typename T>
Tensor MakeTensor(std::string name, ElementType type, std::vector<std::int64_t> shape,
                  const std::vector<T>& values) {
  Tensor tensor{std::move(name), type, std::move(shape), {}};
  tensor.bytes.resize(values.size() * sizeof(T));
  std::memcpy(tensor.bytes.data(), values.data(), tensor.bytes.size());
  return tensor;
}

/// Labels row / 2 % 2, so that both groups have both.
inline Evaluation MakeRows(std::int64_t rows) {
  Evaluation evaluation;
  std::vector<float> column;
  for (std::int64_t row = 0; row < rows; ++row) {
    column.push_back(static_cast<float>(row % 10));
    evaluation.labels.push_back(row / 2 % 2);
    evaluation.segments["s"].push_back(row % 2);
  }
  evaluation.inputs = {MakeTensor<float>("x", ElementType::kF32, {rows, 1}, column)};
  evaluation.outputs = {{"y", ElementType::kF32, {rows, 2}}};
  evaluation.classes = 2;
  evaluation.reference.resize(static_cast<std::size_t>(2 * rows));
  return evaluation;
}

/// Logits that are right with `margin` to spare where `right(row)`, and as far wrong elsewhere.
template <typename Right>
std::vector<float> MakeLogits(const Evaluation& evaluation, Right right, float margin = 4) {
  std::vector<float> logits(static_cast<std::size_t>(2 * evaluation.rows()));
  for (std::int64_t row = 0; row < evaluation.rows(); ++row) {
    const std::int64_t label = evaluation.labels[static_cast<std::size_t>(row)];
    logits[static_cast<std::size_t>(2 * row + (right(row) ? label : 1 - label))] = margin;
  }
  return logits;
}

}  // namespace muster::registry::gates
