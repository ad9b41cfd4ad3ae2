// How a study changes, the first time and again.
#include "tuner/study.h"

namespace muster::tuner {

void Study::Happen(StudyEvent event) {
  if (events_ != nullptr) AppendEvent(*events_, event);
  std::visit([this](auto& what) { Apply(std::move(what)); }, event);
}

Status Study::Replay(std::string_view events) {
  while (!events.empty()) {
    MUSTER_ASSIGN_OR_RETURN(StudyEvent event, TakeEvent(events));
    if (const Status next = CheckNext(event); !next.ok()) {
      return Corrupt("what was recorded does not come next: " + next.error().message);
    }
    std::visit([this](auto& what) { Apply(std::move(what)); }, event);
  }
  return Ok();
}

Status Study::CheckNext(const StudyEvent& event) const {
  if (const auto* asked = std::get_if<Asked>(&event)) {
    const bool follows = asked->resumes() ? paused_.contains(asked->trial)
                                          : asked->trial == history_.size() &&
                                                (asked->by != kEnqueued || !queue_.empty());
    if (follows) return Ok();
    return Conflict("trial " + std::to_string(asked->trial) + ", " + asked->by);
  }
  if (const auto* reported = std::get_if<Reported>(&event)) return CheckReport(*reported);
  if (const auto* told = std::get_if<Told>(&event)) {
    MUSTER_RETURN_IF_ERROR(CheckRunning(told->trial));
    return CheckOutcome(told->outcome);
  }
  if (const auto* imported = std::get_if<Imported>(&event)) {
    return CheckImport(imported->outcome, imported->weight);
  }
  return Ok();
}

void Study::Apply(Asked&& asked) {
  if (asked.resumes()) {
    history_.Resume(asked.trial);
    paused_.erase(asked.trial);
    return Note(asked.trial, Verdict::kContinue);
  }
  if (asked.by == kEnqueued) queue_.pop_front();
  history_.Start(asked.trial, std::move(asked.params));
  verdicts_.push_back(Verdict::kContinue);
}

void Study::Apply(Reported&& reported) {
  history_.AddReport(reported.trial, reported.step, reported.values);
  Note(reported.trial, reported.verdict);
}

void Study::Apply(Told&& told) { history_.Finish(told.trial, told.outcome); }

void Study::Apply(Enqueued&& enqueued) { queue_.push_back(std::move(enqueued.params)); }

void Study::Apply(Imported&& imported) {
  history_.Import(std::move(imported.params), imported.outcome, imported.weight);
}

void Study::Apply(GaveUp&& /*event*/) {
  for (const std::int64_t trial : paused_) history_.Finish(trial, {TrialState::kPruned, {}, {}});
  paused_.clear();
}

}  // namespace muster::tuner
