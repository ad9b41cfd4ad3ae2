#pragma once

#include <boost/json/object.hpp>
#include <deque>
#include <set>
#include <vector>

#include "tuner/study_event.h"

/// A whole search in one object: ask for a trial, report how it goes, tell how it ended. Wrong calls answer with
/// an error that names the field and the reason, and change nothing. No I/O; not thread-safe.

namespace muster::tuner {

class Study {
 public:
  static Result<Study> Make(SearchSpec spec);

  /// kResource when the space is exhausted or the budget of trials is spent; kUnavailable when the scheduler
  /// first wants to hear from a running trial. Paused trials are resumed also then; once none runs and none
  /// will go on any more, what is still paused ends as pruned.
  Result<Asked> Ask();
  /// Of a running trial; steps are 0 or more, `values` one an objective or of the first alone. kPause pauses it
  /// here and now.
  Result<Verdict> Report(std::int64_t trial, std::int64_t step, const std::vector<double>& values);
  /// What the last report of a running trial was answered with.
  Result<Verdict> VerdictOn(std::int64_t trial) const;
  /// A pruned trial needs no values; a complete one has one an objective.
  Status Tell(std::int64_t trial, const Outcome& outcome);

  /// The next trial that is asked for has these parameters.
  Status Enqueue(Params params);
  /// A finished trial of an earlier search over this space or a narrower one; before the first Ask.
  Status Import(Params params, const Outcome& outcome, double weight);

  /// What changes it from now on is appended to `events`, until another call; null: nowhere. A call that answers
  /// an error may have changed it, too.
  void RecordTo(std::string* events) { events_ = events; }
  /// What was recorded once, done again without a search: the same study, bit for bit. kCorrupt when it is damaged
  /// or does not follow from what was replayed before; then the study is good for nothing.
  Status Replay(std::string_view events);

  /// The trials whose checkpoints may still be started from, ascending: running ones, and those that the
  /// scheduler may resume or clone. Any other checkpoint may be deleted.
  [[nodiscard]] std::vector<std::int64_t> Checkpoints();
  [[nodiscard]] const SearchSpec& spec() const { return spec_; }
  [[nodiscard]] const History& history() const { return history_; }
  /// What its sampler and its scheduler do and why.
  [[nodiscard]] std::string Explain();

 private:
  explicit Study(SearchSpec spec) : spec_(std::move(spec)), history_(spec_.goals) {}
  [[nodiscard]] Status CheckRunning(std::int64_t trial) const;
  [[nodiscard]] Status CheckOutcome(const Outcome& outcome) const;
  [[nodiscard]] Status CheckImport(const Outcome& outcome, double weight) const;
  [[nodiscard]] Status CheckReport(const Reported& reported) const;
  /// When there are no new trials, for the reason `spent`.
  Result<Asked> AskPaused(const Error& spent);
  /// Whether `event` may come next, for what was recorded.
  [[nodiscard]] Status CheckNext(const StudyEvent& event) const;
  /// Records it, then applies it.
  void Happen(StudyEvent event);
  void Apply(Asked&& asked);
  void Apply(Reported&& reported);
  void Apply(Told&& told);
  void Apply(Enqueued&& enqueued);
  void Apply(Imported&& imported);
  void Apply(GaveUp&& event);
  void Note(std::int64_t trial, Verdict verdict);

  SearchSpec spec_;
  History history_;
  Search search_;
  std::deque<Params> queue_;
  std::set<std::int64_t> paused_;
  std::vector<Verdict> verdicts_;  ///< by number: on the last report
  std::string* events_ = nullptr;
};

}  // namespace muster::tuner
