#include "tuner/gp/observations.h"

#include <algorithm>
#include <cmath>

#include "runtime/base/math.h"

namespace muster::tuner::gp {

Unit ToUnit(const Space& space, const Point& point) {
  Unit unit(point.size());
  for (std::size_t p = 0; p < point.size(); ++p) {
    if (space.scales()[p].choices > 0) {
      unit[p] = std::isnan(point[p]) ? -1 : point[p];
    } else {
      unit[p] = std::isnan(point[p]) ? 0.5 : std::clamp(space.ToUnit(p, point[p]), -1.0, 2.0);
    }
  }
  return unit;
}

Point ToPoint(const Space& space, const Unit& unit) {
  Point point(unit.size());
  for (std::size_t p = 0; p < unit.size(); ++p) {
    const bool choice = space.scales()[p].choices > 0;
    point[p] = choice ? std::max(unit[p], 0.0) : space.FromUnit(p, std::clamp(unit[p], 0.0, 1.0));
  }
  return space.Repair(std::move(point));
}

bool Observation::feasible() const {
  return !broke && std::ranges::all_of(constraints, [](double c) { return c <= 0; });
}

bool Observations::Read(const History& history) {
  bool again = false;
  const auto& changes = history.changes();
  for (std::size_t i = cursor_; i < changes.size(); ++i) {
    const auto trial = static_cast<std::size_t>(changes[i].trial);
    again |= changes[i].kind == ChangeKind::kResume && trial < finished_.size() && finished_[trial];
  }
  if (again || !begun_) {
    all_.clear();
    losses_ = cursor_ = 0;
    for (std::int64_t number = -1; number >= -history.imported(); --number) Add(history.At(number));
    begun_ = true;
  }
  finished_.resize(static_cast<std::size_t>(history.size()));
  // A trial that ended twice stands where it ended last.
  std::vector<std::size_t> last(finished_.size());
  for (std::size_t i = cursor_; i < changes.size(); ++i) {
    if (changes[i].kind == ChangeKind::kFinish)
      last[static_cast<std::size_t>(changes[i].trial)] = i;
  }
  for (std::size_t i = cursor_; i < changes.size(); ++i) {
    const auto trial = static_cast<std::size_t>(changes[i].trial);
    if (changes[i].kind != ChangeKind::kFinish || last[trial] != i) continue;
    const Trial& ended = history.At(changes[i].trial);
    if (!IsFinished(ended.state)) continue;
    finished_[trial] = true;
    Add(ended);
  }
  cursor_ = changes.size();
  return again;
}

void Observations::Add(const Trial& trial) {
  Observation seen{.number = trial.number, .broke = trial.broke(), .weight = trial.weight};
  if (trial.state == TrialState::kComplete) {
    seen.loss = trial.losses[0];
  } else if (trial.state == TrialState::kPruned && !trial.reports.empty()) {
    seen.loss = trial.reports.back().loss;
    seen.cut = true;
    seen.broke = std::isinf(seen.loss) && seen.loss > 0;
  } else if (!seen.broke) {
    return;
  }
  for (const double c : trial.constraints) seen.constraints.push_back(std::isnan(c) ? INFINITY : c);
  seen.unit = ToUnit(*space_, space_->Encode(trial.params));
  losses_ += seen.broke ? 0 : 1;
  all_.push_back(std::move(seen));
}

std::vector<double> Warp(const std::vector<double>& losses, double bend) {
  if (losses.empty()) return {};
  double least = INFINITY, most = -INFINITY, largest = 0;
  for (const double y : losses) {
    if (std::isfinite(y)) {
      least = std::min(least, y);
      most = std::max(most, y);
      largest = std::max(largest, std::abs(y));
    }
  }
  if (!(least < most)) return std::vector<double>(losses.size(), 0);
  const double unit = largest > 1e100 ? 1e-200 : 1;  // squares must not overflow
  std::vector<double> y;
  y.reserve(losses.size());
  for (const double loss : losses) y.push_back((std::clamp(loss, least, most) - least) * unit);
  std::vector<double> sorted = y;
  const auto middle = sorted.begin() + static_cast<std::ptrdiff_t>(sorted.size() / 2);
  std::nth_element(sorted.begin(), middle, sorted.end());
  const double span = std::max(*middle, 1e-9 * (most - least) * unit);
  double mean = 0, variance = 0;
  for (double& v : y) {
    if (bend > 0) v = math::Log1p(bend * v / span);
    mean += v / static_cast<double>(y.size());
  }
  for (const double v : y) variance += (v - mean) * (v - mean) / static_cast<double>(y.size());
  const double deviation = std::sqrt(variance);
  for (double& v : y) v = deviation > 0 ? (v - mean) / deviation : 0;
  return y;
}

}  // namespace muster::tuner::gp
