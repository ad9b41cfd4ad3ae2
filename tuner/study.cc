#include "tuner/study.h"

#include <cmath>

namespace muster::tuner {

Result<Study> Study::Make(SearchSpec spec) {
  Study study(std::move(spec));
  MUSTER_ASSIGN_OR_RETURN(study.search_, MakeSearch(study.spec_));
  return study;
}

Result<Asked> Study::Ask() {
  if (spec_.trials > 0 && history_.size() >= spec_.trials) {
    return AskPaused(ResourceExhausted("budget spent: all of its " + std::to_string(spec_.trials) +
                                       " trials were asked for"));
  }
  auto next = search_.Next(history_, queue_.empty() ? nullptr : &queue_.front());
  if (next.ok()) {
    Happen(*next);
  } else if (next.error().kind == ErrorKind::kResource) {
    return AskPaused(next.error());
  }
  return next;
}

Result<Asked> Study::AskPaused(const Error& spent) {
  if (auto paused = search_.NextPaused(history_)) {
    Happen(*paused);
    return *std::move(paused);
  }
  if (paused_.empty()) return spent;
  if (history_.unfinished() > static_cast<std::int64_t>(paused_.size())) {
    return Unavailable(spent.message + "; a paused one may go on once a running one has reported");
  }
  Happen(GaveUp{});
  return spent;
}

Status Study::CheckRunning(std::int64_t trial) const {
  if (trial < 0 || !history_.Has(trial)) {
    return NotFound("at trial: there is no trial " + std::to_string(trial) + "; the newest is " +
                    std::to_string(history_.size() - 1));
  }
  const TrialState state = history_.At(trial).state;
  if (state == TrialState::kRunning) return Ok();
  return Conflict("at trial: " + std::to_string(trial) + " is " + std::string(NameOf(state)) +
                  "; wanted one that runs");
}

Status Study::CheckOutcome(const Outcome& outcome) const {
  if (!IsFinished(outcome.state)) {
    return Invalid("at state: wanted one of complete, pruned, failed, lost, got " +
                   std::string(NameOf(outcome.state)));
  }
  const std::size_t wanted = outcome.state == TrialState::kComplete ? spec_.goals.size() : 0;
  if (outcome.values.size() == wanted) return Ok();
  return Invalid("at values: wanted " + std::to_string(wanted) + " of a " +
                 std::string(NameOf(outcome.state)) + " trial, one an objective, got " +
                 std::to_string(outcome.values.size()));
}

Status Study::CheckReport(const Reported& reported) const {
  MUSTER_RETURN_IF_ERROR(CheckRunning(reported.trial));
  if (reported.step < 0) {
    return Invalid("at step: wanted 0 or more, got " + std::to_string(reported.step));
  }
  if (reported.values.size() == 1 || reported.values.size() == spec_.goals.size()) return Ok();
  return Invalid("at values: wanted one an objective (" + std::to_string(spec_.goals.size()) +
                 ") or that of the first alone, got " + std::to_string(reported.values.size()));
}

Result<Verdict> Study::Report(std::int64_t trial, std::int64_t step,
                              const std::vector<double>& values) {
  Reported reported{trial, step, values};
  MUSTER_RETURN_IF_ERROR(CheckReport(reported));
  // The scheduler judges what it can see; so this is Happen in two parts.
  history_.AddReport(trial, step, values);
  reported.verdict = search_.scheduler->Judge(trial, history_);
  if (events_ != nullptr) AppendEvent(*events_, reported);
  Note(trial, reported.verdict);
  return reported.verdict;
}

void Study::Note(std::int64_t trial, Verdict verdict) {
  verdicts_[static_cast<std::size_t>(trial)] = verdict;
  if (verdict != Verdict::kPause) return;
  history_.Pause(trial);
  paused_.insert(trial);
}

Result<Verdict> Study::VerdictOn(std::int64_t trial) const {
  MUSTER_RETURN_IF_ERROR(CheckRunning(trial));
  return verdicts_[static_cast<std::size_t>(trial)];
}

Status Study::Tell(std::int64_t trial, const Outcome& outcome) {
  MUSTER_RETURN_IF_ERROR(CheckRunning(trial));
  MUSTER_RETURN_IF_ERROR(CheckOutcome(outcome));
  Happen(Told{trial, outcome});
  return Ok();
}

Status Study::Enqueue(Params params) {
  const Status status = spec_.space->Check(params);
  if (!status.ok()) return status.error().With("at params");
  Happen(Enqueued{std::move(params)});
  return Ok();
}

Status Study::CheckImport(const Outcome& outcome, double weight) const {
  if (history_.size() > 0) return Conflict("trials are imported before the first one is asked for");
  MUSTER_RETURN_IF_ERROR(CheckOutcome(outcome));
  if (weight > 0 && weight <= 1) return Ok();
  return Invalid("at weight: wanted above 0 up to 1, got " + ParamText(weight));
}

Status Study::Import(Params params, const Outcome& outcome, double weight) {
  MUSTER_RETURN_IF_ERROR(CheckImport(outcome, weight));
  const Status status = spec_.space->Check(params);
  if (!status.ok()) return status.error().With("at params");
  Happen(Imported{std::move(params), outcome, weight});
  return Ok();
}

std::vector<std::int64_t> Study::Checkpoints() {
  std::vector<std::int64_t> needed;
  for (const Trial& trial : history_.trials()) {
    if (trial.number < 0) continue;
    if (trial.state == TrialState::kRunning ||
        search_.scheduler->NeedsCheckpoint(trial.number, history_)) {
      needed.push_back(trial.number);
    }
  }
  return needed;
}

std::string Study::Explain() {
  return search_.sampler->Explain(history_) + "; " + search_.scheduler->Explain(history_);
}

}  // namespace muster::tuner
