#include "registry/statistics/calibration.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "runtime/base/check.h"

namespace muster::registry::statistics {

std::vector<double> Softmax(std::span<const float> logits, std::int64_t classes) {
  const auto width = static_cast<std::size_t>(classes);
  std::vector<double> probabilities(logits.size());
  for (std::size_t first = 0; first < logits.size(); first += width) {
    const auto row = logits.subspan(first, width);
    const double largest = *std::ranges::max_element(row);
    double sum = 0;
    for (std::size_t c = 0; c < width; ++c) {
      probabilities[first + c] = std::exp(double{row[c]} - largest);
      sum += probabilities[first + c];
    }
    for (std::size_t c = 0; c < width; ++c) probabilities[first + c] /= sum;
  }
  return probabilities;
}

double ExpectedCalibrationError(std::span<const double> confidence,
                                std::span<const std::uint8_t> correct, std::int64_t bins) {
  const auto rows = static_cast<std::int64_t>(confidence.size());
  MUSTER_CHECK(bins >= 1 && rows >= bins && correct.size() == confidence.size(),
               "every bin has rows");
  std::vector<std::size_t> order(confidence.size());
  std::iota(order.begin(), order.end(), 0U);
  std::ranges::stable_sort(order, {}, [&](std::size_t row) { return confidence[row]; });
  double error = 0;
  std::size_t next = 0;
  for (std::int64_t bin = 0; bin < bins; ++bin) {
    // array_split: the first rows % bins runs are one longer.
    const std::int64_t size = rows / bins + (bin < rows % bins ? 1 : 0);
    double gap = 0;
    for (std::int64_t i = 0; i < size; ++i, ++next) {
      gap += confidence[order[next]] - static_cast<double>(correct[order[next]]);
    }
    error += std::abs(gap) / static_cast<double>(rows);
  }
  return error;
}

std::vector<double> BrierScores(std::span<const double> probabilities,
                                std::span<const std::int64_t> labels, std::int64_t classes) {
  const auto width = static_cast<std::size_t>(classes);
  std::vector<double> scores(labels.size());
  for (std::size_t row = 0; row < labels.size(); ++row) {
    double sum = 0;
    for (std::size_t c = 0; c < width; ++c) {
      const double wanted = static_cast<std::int64_t>(c) == labels[row] ? 1 : 0;
      const double miss = probabilities[row * width + c] - wanted;
      sum += miss * miss;
    }
    scores[row] = classes == 2 ? sum / 2 : sum;
  }
  return scores;
}

}  // namespace muster::registry::statistics
