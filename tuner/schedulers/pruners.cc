#include "tuner/schedulers/pruners.h"

#include <algorithm>
#include <cmath>
#include <optional>

namespace muster::tuner {
namespace {

/// The loss at the first report that is at or beyond `step`.
std::optional<double> LossAt(const Trial& trial, std::int64_t step) {
  for (const auto& [at, loss] : trial.reports) {
    if (at >= step) return loss;
  }
  return std::nullopt;
}

}  // namespace

AshaPruner::AshaPruner(Options options) : options_(options) {
  for (std::int64_t rung = options.min; rung < options.max; rung *= options.eta) {
    rungs_.push_back(rung);
    if (rung > options.max / options.eta) break;  // the next is beyond max, and may overflow
  }
}

Verdict AshaPruner::Judge(std::int64_t number, const History& history) {
  const Trial* trial = &history.At(number);
  if (trial->reports.empty()) return Verdict::kContinue;
  const std::int64_t now = trial->reports.back().step;
  const std::int64_t before = trial->reports.size() > 1 ? trial->reports.rbegin()[1].step : -1;
  for (const std::int64_t rung : rungs_) {
    if (rung > now || rung <= before) continue;
    const double own = *LossAt(*trial, rung);
    std::int64_t reached = 0, better = 0;
    for (const auto& other : history.trials()) {
      const auto loss = LossAt(other, rung);
      if (!loss) continue;
      ++reached;
      if (*loss < own || (*loss == own && other.number < number)) ++better;
    }
    if (better >= std::max<std::int64_t>(1, reached / options_.eta)) return Verdict::kStop;
  }
  return Verdict::kContinue;
}

std::string AshaPruner::Explain(const History& /*history*/) {
  return "asha: of the trials at each rung the best 1/" + std::to_string(options_.eta) + " go on";
}

Verdict MedianPruner::Judge(std::int64_t number, const History& history) {
  const Trial* trial = &history.At(number);
  if (trial->reports.empty()) return Verdict::kContinue;
  const std::int64_t step = trial->reports.back().step;
  if (step <= options_.warmup_steps) return Verdict::kContinue;
  std::vector<double> others;
  for (const auto& other : history.trials()) {
    if (other.state != TrialState::kComplete) continue;
    if (const auto loss = LossAt(other, step)) others.push_back(*loss);
  }
  if (others.empty() || static_cast<std::int64_t>(others.size()) < options_.startup_trials) {
    return Verdict::kContinue;
  }
  double best = INFINITY;
  for (const auto& [at, loss] : trial->reports) best = std::min(best, loss);
  std::sort(others.begin(), others.end());
  const std::size_t half = others.size() / 2;
  const double median =
      others.size() % 2 == 1 ? others[half] : (others[half - 1] + others[half]) / 2;
  return best > median || best == INFINITY ? Verdict::kStop : Verdict::kContinue;
}

std::string MedianPruner::Explain(const History& /*history*/) {
  return "median: a trial stops when its best is worse than the median of the complete ones there";
}

}  // namespace muster::tuner
