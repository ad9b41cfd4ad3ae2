#include <array>
#include <cmath>
#include <limits>

#include "registry/metric_family.h"

namespace muster::registry {
namespace {

/// Mean of `of` (output - target) over all numbers.
template <typename Of>
double Mean(const Answers& answers, Of of) {
  const std::int64_t width = answers.evaluation.width();
  double total = 0;
  for (const std::int64_t row : answers.rows) {
    const auto outputs = answers.of(row);
    for (std::int64_t k = 0; k < width; ++k) {
      const auto place = static_cast<std::size_t>(row * width + k);
      total += of(double{outputs[static_cast<std::size_t>(k)]} -
                  double{answers.evaluation.targets[place]});
    }
  }
  return total / static_cast<double>(static_cast<std::int64_t>(answers.rows.size()) * width);
}

double Mae(const Answers& answers) {
  return Mean(answers, [](double difference) { return std::abs(difference); });
}
double Mse(const Answers& answers) {
  return Mean(answers, [](double difference) { return difference * difference; });
}
double Rmse(const Answers& answers) { return std::sqrt(Mse(answers)); }

/// 1 - (squared error / squared distance from the mean) of column k.
double R2(const Answers& answers, std::int64_t k) {
  const std::int64_t width = answers.evaluation.width();
  const auto target = [&](std::int64_t row) {
    return double{answers.evaluation.targets[static_cast<std::size_t>(row * width + k)]};
  };
  double mean = 0;
  for (const std::int64_t row : answers.rows) mean += target(row);
  mean /= static_cast<double>(answers.rows.size());
  double error = 0, spread = 0;
  for (const std::int64_t row : answers.rows) {
    const double off = double{answers.of(row)[static_cast<std::size_t>(k)]} - target(row);
    error += off * off;
    spread += (target(row) - mean) * (target(row) - mean);
  }
  return spread == 0 ? std::numeric_limits<double>::quiet_NaN() : 1 - error / spread;
}

double R2(const Answers& answers) {
  const std::int64_t width = answers.evaluation.width();
  double total = 0;
  for (std::int64_t k = 0; k < width; ++k) total += R2(answers, k);
  return total / static_cast<double>(width);
}

constexpr std::array kFigures{Figure{"mae", false, Mae}, Figure{"rmse", false, Rmse},
                              Figure{"mse", false, Mse}, Figure{"loss", false, Mse},
                              Figure{"r2", true, R2}};

}  // namespace

std::span<const Figure> RegressionFigures() { return kFigures; }

}  // namespace muster::registry
