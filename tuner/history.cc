#include "tuner/history.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "runtime/base/check.h"

namespace muster::tuner {

double LossOf(double value, Goal goal) {
  if (std::isnan(value)) return std::numeric_limits<double>::infinity();
  return goal == Goal::kMaximize ? -value : value;
}

double ValueOf(double loss, Goal goal) { return goal == Goal::kMaximize ? -loss : loss; }

std::string_view NameOf(TrialState state) {
  switch (state) {
    case TrialState::kRunning:
      return "running";
    case TrialState::kPaused:
      return "paused";
    case TrialState::kComplete:
      return "complete";
    case TrialState::kPruned:
      return "pruned";
    case TrialState::kFailed:
      return "failed";
    case TrialState::kLost:
      return "lost";
  }
  return "unknown";
}

double Trial::violation() const {
  double sum = 0;
  for (const double constraint : constraints) {
    if (std::isnan(constraint)) return std::numeric_limits<double>::infinity();
    sum += std::max(0.0, constraint);
  }
  return sum;
}

bool Trial::broke() const {
  return state == TrialState::kFailed || std::ranges::any_of(losses, [](double loss) {
           return loss == std::numeric_limits<double>::infinity();
         });
}

History::History(std::vector<Goal> goals) : goals_(std::move(goals)) {
  MUSTER_CHECK(!goals_.empty(), "a search has an objective");
}

std::size_t History::IndexOf(std::int64_t number) const {
  MUSTER_CHECK(Has(number), "no such trial");
  return static_cast<std::size_t>(number < 0 ? -number - 1 : number + imported_);
}

void History::Import(Params params, const Outcome& outcome, double weight) {
  MUSTER_CHECK(size() == 0, "trials are imported before the first one starts");
  imported_ += 1;
  Trial trial{.number = -imported_, .params = std::move(params), .weight = weight};
  SetOutcome(trial, outcome);
  trials_.push_back(std::move(trial));
}

void History::Start(std::int64_t number, Params params) {
  MUSTER_CHECK(number == size(), "trials are numbered without gaps");
  trials_.push_back({.number = number, .params = std::move(params)});
  changes_.push_back({ChangeKind::kStart, number});
  ++unfinished_;
}

void History::AddReport(std::int64_t number, std::int64_t step, std::span<const double> values) {
  MUSTER_CHECK(!values.empty() && values.size() <= goals_.size(), "a report has its objectives");
  auto& reports = Mutable(number).reports;
  changes_.push_back({ChangeKind::kReport, number, step, reported_.size()});
  reported_.push_back(static_cast<double>(values.size()));
  for (std::size_t i = 0; i < values.size(); ++i) {
    reported_.push_back(LossOf(values[i], goals_[i]));
  }
  const Report report{step, LossOf(values[0], goals_[0])};
  const auto place = std::ranges::lower_bound(reports, step, {}, &Report::step);
  if (place != reports.end() && place->step == step) {
    *place = report;
  } else {
    reports.insert(place, report);
  }
}

void History::Rewind(std::int64_t number, std::int64_t step) {
  std::erase_if(Mutable(number).reports, [&](const Report& report) { return report.step > step; });
  changes_.push_back({ChangeKind::kRewind, number, step});
}

void History::Pause(std::int64_t number) {
  Trial& trial = Mutable(number);
  MUSTER_CHECK(trial.state == TrialState::kRunning, "only a running trial pauses");
  trial.state = TrialState::kPaused;
  changes_.push_back({ChangeKind::kPause, number});
}

void History::Resume(std::int64_t number) {
  Trial& trial = Mutable(number);
  MUSTER_CHECK(trial.state != TrialState::kRunning, "a running trial does not resume");
  unfinished_ += IsFinished(trial.state) ? 1 : 0;
  trial.state = TrialState::kRunning;
  trial.losses.clear();
  trial.constraints.clear();
  changes_.push_back({ChangeKind::kResume, number});
}

void History::Finish(std::int64_t number, const Outcome& outcome) {
  Trial& trial = Mutable(number);
  MUSTER_CHECK(!IsFinished(trial.state), "a trial ends once");
  SetOutcome(trial, outcome);
  --unfinished_;
  changes_.push_back({.kind = ChangeKind::kFinish,
                      .trial = number,
                      .ended = trial.broke() ? TrialState::kFailed : trial.state});
}

void History::SetOutcome(Trial& trial, const Outcome& outcome) const {
  MUSTER_CHECK(IsFinished(outcome.state), "an outcome is final");
  MUSTER_CHECK(outcome.state != TrialState::kComplete || outcome.values.size() == goals_.size(),
               "a complete trial has a value of each objective");
  trial.state = outcome.state;
  trial.constraints = outcome.constraints;
  trial.losses.clear();
  if (outcome.state != TrialState::kComplete) return;
  for (std::size_t i = 0; i < goals_.size(); ++i) {
    trial.losses.push_back(LossOf(outcome.values[i], goals_[i]));
  }
}

std::span<const double> History::losses(const Change& report) const {
  const auto count = static_cast<std::size_t>(reported_[report.losses]);
  return std::span(reported_).subspan(report.losses + 1, count);
}

}  // namespace muster::tuner
