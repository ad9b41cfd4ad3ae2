#pragma once

#include <cmath>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "registry/package/baselines.h"
#include "runtime/base/random.h"

/// Versions whose truth is known, and rows like those that they were judged on.

namespace muster::registry::monitor {

inline Tensor F32(std::string name, std::vector<std::int64_t> shape,
                  const std::vector<float>& values) {
  Tensor tensor{std::move(name), ElementType::kF32, std::move(shape), {}};
  tensor.bytes.resize(values.size() * sizeof(float));
  std::memcpy(tensor.bytes.data(), values.data(), tensor.bytes.size());
  return tensor;
}

/// Rows, what the model answers, and the truth.
struct TestVersion {
  Evaluation evaluation;
  std::vector<float> logits;

  [[nodiscard]] std::string Text() const {
    PackageSpec spec;
    spec.info.inputs = {{"x", ElementType::kF32, {-1, evaluation.inputs[0].shape[1]}}};
    spec.evaluation = &evaluation;
    spec.logits = &logits;
    return BaselineText(spec);
  }
};

struct RowSpec {
  int rows = 1'000;
  std::uint64_t seed = 1;
  double shift = 0;  ///< of the inputs' mean
};

/// Two inputs, of which the first decides between two classes; the logits are calibrated: P(class 1 | x) is what they say
/// whatever the inputs' distribution is. Segment side: the sign of the second input.
inline TestVersion Blobs(const RowSpec& rows) {
  Random random(rows.seed);
  TestVersion version;
  std::vector<float> inputs;
  auto& side = version.evaluation.segments["side"];
  for (int row = 0; row < rows.rows; ++row) {
    const double x = rows.shift + random.Normal(), y = random.Normal();
    inputs.insert(inputs.end(), {static_cast<float>(x), static_cast<float>(y)});
    version.logits.insert(version.logits.end(), {0, static_cast<float>(2 * x)});
    version.evaluation.labels.push_back(random.Chance(1 / (1 + std::exp(-2 * x))) ? 1 : 0);
    side.push_back(y > 0 ? 1 : 0);
  }
  version.evaluation.task = Task::kClasses;
  version.evaluation.classes = 2;
  version.evaluation.inputs = {F32("x", {rows.rows, 2}, inputs)};
  version.evaluation.reference = version.logits;
  return version;
}

/// One input, and an output that is it; targets are off by noise of std 0.5.
inline TestVersion Line(const RowSpec& rows) {
  Random random(rows.seed);
  TestVersion version;
  for (int row = 0; row < rows.rows; ++row) {
    const auto x = static_cast<float>(rows.shift + random.Normal());
    version.logits.push_back(x);
    version.evaluation.targets.push_back(x + static_cast<float>(0.5 * random.Normal()));
  }
  version.evaluation.task = Task::kRegression;
  version.evaluation.classes = 1;
  version.evaluation.inputs = {F32("x", {rows.rows, 1}, version.logits)};
  version.evaluation.reference = version.logits;
  return version;
}

}  // namespace muster::registry::monitor
