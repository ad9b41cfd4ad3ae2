#include "tuner/samplers/feasibility.h"

#include <algorithm>
#include <cmath>

#include "runtime/base/math.h"

namespace muster::tuner {
namespace {

constexpr std::size_t kMemory = 4096;
/// Where an inactive parameter stands: as far from its values as choices are from each other.
constexpr double kNowhere = -1e3;

}  // namespace

std::vector<double> Feasibility::Unit(const Point& point) const {
  std::vector<double> x(point.size());
  for (std::size_t d = 0; d < x.size(); ++d) {
    // Choices are whole numbers apart, and further apart than 1 is cut off below.
    x[d] = std::isnan(point[d])              ? kNowhere
           : space_->scales()[d].choices > 0 ? point[d]
                                             : space_->ToUnit(d, point[d]);
  }
  return x;
}

void Feasibility::Fit(const History& history, const std::vector<Point>& points) {
  ok_.clear();
  broken_.clear();
  std::size_t read = 0;
  const auto& trials = history.trials();
  for (std::size_t i = trials.size(); i-- > 0 && read < kMemory;) {
    if (!IsFinished(trials[i].state) || trials[i].state == TrialState::kLost) continue;
    const auto x = Unit(points[i]);
    auto& rows = trials[i].broke() ? broken_ : ok_;
    rows.insert(rows.end(), x.begin(), x.end());
    ++read;
  }
}

double Feasibility::Near(const std::vector<double>& x, const std::vector<double>& rows) const {
  const std::size_t d = x.size();
  double first = 4 * static_cast<double>(d), second = first;  // squared
  for (std::size_t row = 0; row < rows.size(); row += d) {
    double square = 0;
    for (std::size_t i = 0; i < d && square < second; ++i) {
      const double apart = std::min(std::abs(rows[row + i] - x[i]), 1.0);
      square += apart * apart;
    }
    if (square >= second) continue;
    second = std::max(first, square);
    first = std::min(first, square);
  }
  return (std::sqrt(first) + std::sqrt(second)) / 2;
}

double Feasibility::LogOk(const Point& point) const {
  if (broken_.empty()) return 0;
  const auto x = Unit(point);
  const double share =
      static_cast<double>(broken_.size()) / static_cast<double>(broken_.size() + ok_.size());
  const double ratio = Near(x, ok_) / std::max(Near(x, broken_), 1e-150);
  const double square = std::min(ratio, 1e70) * std::min(ratio, 1e70);
  return -(1 + 4 * share) * math::Log1p(square * square);
}

}  // namespace muster::tuner
