#pragma once

#include <cstdint>
#include <span>
#include <vector>

/// How far probabilities can be believed. Shapes: N rows, C >= 2 classes, row-major. Pure; any thread.

namespace muster::registry::statistics {

/// softmax of each row of logits (N, C), in double, shifted by the row's largest. A NaN makes its row NaN.
std::vector<double> Softmax(std::span<const float> logits, std::int64_t classes);

/// Expected calibration error (Naeini, Cooper and Hauskrecht, AAAI 2015) with bins of equal mass: rows by
/// ascending confidence (equals in their order) in `bins` runs as numpy.array_split cuts them, sum of
/// |run| / N * |mean confidence - share correct|. In [0, 1]. N >= bins >= 1.
double ExpectedCalibrationError(std::span<const double> confidence,
                                std::span<const std::uint8_t> correct, std::int64_t bins);

/// Each row's part of the Brier score (1950), sum over classes of (p - [class is the label])^2, in [0, 2]; of two
/// classes the half of it, in [0, 1], as scikit-learn has it. Its mean is the score.
std::vector<double> BrierScores(std::span<const double> probabilities,
                                std::span<const std::int64_t> labels, std::int64_t classes);

}  // namespace muster::registry::statistics
