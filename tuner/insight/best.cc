#include "tuner/insight/best.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "tuner/insight/pareto.h"

namespace muster::tuner {

BestCourse BestSoFar(const History& history, std::size_t objective) {
  const auto& changes = history.changes();
  std::vector<std::size_t> last(
      static_cast<std::size_t>(history.size()));  // its last end, by number
  for (std::size_t i = 0; i < changes.size(); ++i) {
    if (changes[i].kind == ChangeKind::kFinish)
      last[static_cast<std::size_t>(changes[i].trial)] = i;
  }
  BestCourse course;
  double best = std::numeric_limits<double>::infinity();
  for (std::size_t i = 0; i < changes.size(); ++i) {
    if (changes[i].kind != ChangeKind::kFinish) continue;
    const Trial& trial = history.At(changes[i].trial);
    const bool counts = last[static_cast<std::size_t>(trial.number)] == i &&
                        IsFinished(trial.state) && trial.state != TrialState::kLost;
    if (!counts) continue;
    ++course.ended;
    course.newest = trial.number;
    if (trial.state != TrialState::kComplete || trial.violation() > 0) continue;
    if (!(trial.losses[objective] < best)) continue;
    best = trial.losses[objective];
    course.improvements.push_back({trial.number, course.ended, best});
  }
  return course;
}

std::vector<std::int64_t> Front(const History& history) {
  std::vector<Losses> losses;
  std::vector<std::int64_t> numbers;
  for (const Trial& trial : history.trials()) {
    const auto finite = [](double loss) { return std::isfinite(loss); };
    const bool counts = trial.state == TrialState::kComplete && trial.violation() == 0 &&
                        std::ranges::all_of(trial.losses, finite);
    if (!counts) continue;
    losses.push_back(trial.losses);
    numbers.push_back(trial.number);
  }
  const auto ranks = NonDominatedRanks(losses);
  std::vector<std::int64_t> front;
  for (std::size_t i = 0; i < ranks.size(); ++i) {
    if (ranks[i] == 0) front.push_back(numbers[i]);
  }
  std::ranges::sort(front);
  return front;
}

}  // namespace muster::tuner
