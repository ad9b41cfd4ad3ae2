#include "tuner/pruners.h"

#include <algorithm>
#include <cmath>

#include "tuner/order.h"

namespace muster::tuner {
namespace {

const TrialHistory* Find(const History& history, std::int64_t number) {
  for (const auto& trial : history.trials) {
    if (trial.number == number) return &trial;
  }
  return nullptr;
}

/// The loss at the first report that is at or beyond `step`.
std::optional<double> LossAt(const TrialHistory& trial, std::int64_t step, bool maximize) {
  for (const auto& [at, value] : trial.reports) {
    if (at >= step) return Loss(value, maximize);
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

Verdict AshaPruner::Decide(std::int64_t number, const History& history) {
  const TrialHistory* trial = Find(history, number);
  if (trial == nullptr || trial->reports.empty()) return Verdict::kContinue;
  const std::int64_t now = trial->reports.back().first;
  const std::int64_t before = trial->reports.size() > 1 ? trial->reports.rbegin()[1].first : -1;
  for (const std::int64_t rung : rungs_) {
    if (rung > now || rung <= before) continue;
    const double own = *LossAt(*trial, rung, history.maximize);
    std::int64_t reached = 0, better = 0;
    for (const auto& other : history.trials) {
      const auto loss = LossAt(other, rung, history.maximize);
      if (!loss) continue;
      ++reached;
      if (*loss < own || (*loss == own && other.number < number)) ++better;
    }
    if (better >= std::max<std::int64_t>(1, reached / options_.eta)) return Verdict::kStop;
  }
  return Verdict::kContinue;
}

Verdict MedianPruner::Decide(std::int64_t number, const History& history) {
  const TrialHistory* trial = Find(history, number);
  if (trial == nullptr || trial->reports.empty()) return Verdict::kContinue;
  const std::int64_t step = trial->reports.back().first;
  if (step <= options_.warmup_steps) return Verdict::kContinue;
  std::vector<double> others;
  for (const auto& other : history.trials) {
    if (other.state != TrialState::kComplete) continue;
    if (const auto loss = LossAt(other, step, history.maximize)) others.push_back(*loss);
  }
  if (others.empty() || static_cast<std::int64_t>(others.size()) < options_.startup_trials) {
    return Verdict::kContinue;
  }
  double best = INFINITY;
  for (const auto& [at, value] : trial->reports) {
    best = std::min(best, Loss(value, history.maximize));
  }
  std::sort(others.begin(), others.end());
  const std::size_t half = others.size() / 2;
  const double median =
      others.size() % 2 == 1 ? others[half] : (others[half - 1] + others[half]) / 2;
  return best > median || best == INFINITY ? Verdict::kStop : Verdict::kContinue;
}

}  // namespace muster::tuner
