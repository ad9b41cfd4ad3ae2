#include <algorithm>
#include <set>

#include "runtime/coordinator/coordinator_turn.h"

/// What ranks report: through the attempt's spool, or through the tracker.

namespace muster::coordinator {
namespace {

/// Of an attempt: what a confused node says beyond them is not written down.
constexpr std::size_t kNoticesMost = 64;

/// A Records message, taken apart: what the tracker keeps and what the event says.
struct Sorted {
  std::vector<TrackedMetric> metrics;
  std::vector<RankPlace> places;
  Reported reported;
  std::optional<double> result;  ///< the objective of a kResult record
};

/// `on_curve`: the metrics that the trial has reported, also in batches that the tracker has yet to take.
void SortMetrics(const wire::TrialRecord& record, const std::set<std::string>& on_curve,
                 const std::string& objective, UnixMillis timestamp, Sorted& sorted) {
  const bool is_result = record.type == wire::RecordType::kResult;
  for (const auto& [key, value] : record.metrics) {
    // A result sums up what was reported before; the curve has that point already.
    const bool repeated =
        is_result && (on_curve.contains(key) || sorted.reported.metrics.contains(key));
    if (!repeated) sorted.metrics.push_back({key, value, timestamp, record.step, 0});
    if (!is_result && key == objective) {
      sorted.reported.reports.push_back({record.step, timestamp, value});
    }
    if (is_result && key == objective) sorted.result = value;
    sorted.reported.metrics[key] = value;
  }
}

/// A rank's telemetry.
bool IsOfRank(const wire::TrialRecord& record) {
  return record.type == wire::RecordType::kProgress && record.rank && !record.metrics.empty();
}

/// A node speaks for its own ranks only. No attempt: going on from a checkpoint, whose steps are counted otherwise,
/// hides no telemetry.
void SortOfRank(const wire::TrialRecord& record, const Placement& place, UnixMillis timestamp,
                Sorted& sorted) {
  const int local = *record.rank - place.first_rank;
  if (local < 0 || local >= place.ranks) return;
  for (const auto& [key, value] : record.metrics) {
    sorted.metrics.push_back({key, value, timestamp, record.step, 0, *record.rank});
  }
  const auto index = static_cast<std::size_t>(local);
  const int gpu = index < place.devices.size() ? place.devices[index].device : -1;
  const bool known =
      std::ranges::find(sorted.places, *record.rank, &RankPlace::rank) != sorted.places.end();
  if (!known) sorted.places.push_back({*record.rank, place.node, gpu});
}

Sorted Sort(const wire::Records& records, const Placement& place,
            const std::set<std::string>& on_curve, const std::string& objective,
            UnixMillis unix_now) {
  Sorted sorted;
  sorted.reported.epoch = records.epoch;
  sorted.reported.node = place.node;
  sorted.reported.records_end = records.end;
  for (const wire::TrialRecord& record : records.records) {
    const UnixMillis timestamp = record.timestamp_ms > 0 ? record.timestamp_ms : unix_now;
    if (IsOfRank(record)) {
      SortOfRank(record, place, timestamp, sorted);
      continue;
    }
    if (record.step > 0) sorted.reported.step = record.step;
    if (record.total_steps > 0) sorted.reported.total_steps = record.total_steps;
    switch (record.type) {
      case wire::RecordType::kProgress:
        break;
      case wire::RecordType::kResumed:
        sorted.reported.resumed_after = record.step;
        break;
      case wire::RecordType::kMetric:
        SortMetrics(record, on_curve, objective, timestamp, sorted);
        break;
      case wire::RecordType::kCheckpoint: {
        const auto value = record.metrics.find(objective);
        sorted.reported.checkpoints.push_back(
            {record.path, record.step,
             value == record.metrics.end() ? std::nullopt : std::optional(value->second),
             record.kept.value_or(false)});
        break;
      }
      case wire::RecordType::kResult:
        SortMetrics(record, on_curve, objective, timestamp, sorted);
        sorted.reported.result_checkpoint = record.path;
        break;
    }
  }
  return sorted;
}

/// A later attempt that does not say where it goes on hides what it says anew.
void InferResumption(const Trial& trial, const Attempt& attempt, Reported& reported) {
  if (attempt.resumed || reported.resumed_after || trial.attempts.size() < 2) return;
  if (reported.reports.empty()) return;
  const auto first = std::ranges::min_element(reported.reports, {}, &ObjectiveReport::step);
  reported.resumed_after = first->step - 1;
}

}  // namespace

void Coordinator::OnRecords(Turn& turn, const NodeId& node, const wire::Records& records) {
  const Attempt* attempt = state_.FindAttempt(records.epoch);
  const Member* member = attempt == nullptr ? nullptr : attempt->LiveMember(node);
  if (member == nullptr) {
    turn.Send(node, wire::Stop{records.epoch, wire::StopReason::kFenced, config_.grace_ms});
    return;
  }
  MarkRunning(turn, *attempt, node);
  auto& batches = attempts_[records.epoch].members[node].batches;
  const std::int64_t tail =
      batches.empty() ? member->records_end : batches.back().reported.records_end;
  if (records.begin != tail || records.end <= records.begin) {
    // A repetition, or a gap where something was lost: the agent goes on from what we have.
    if (batches.empty()) turn.Send(node, wire::Ack{records.epoch, member->records_end, {}});
    return;
  }
  const Trial& trial = *state_.FindTrial(attempt->trial);
  const std::string& objective = state_.sweeps.at(trial.sweep).spec.objective.metric;
  std::set<std::string> on_curve;
  for (const auto& [key, value] : trial.metrics) on_curve.insert(key);
  for (const auto& batch : batches) {
    for (const auto& [key, value] : batch.reported.metrics) on_curve.insert(key);
  }
  Sorted sorted = Sort(records, member->place, on_curve, objective, turn.unix_now);
  if (sorted.metrics.empty() && batches.empty()) {
    Accept(turn, *attempt, std::move(sorted.reported), sorted.result);
    return;
  }
  const std::int64_t token = next_store_token_++;
  stores_[token] = {records.epoch, node};
  StoreMetrics store{token, trial.run, records.epoch, std::move(sorted.metrics),
                     std::move(sorted.places)};
  if (Mutated(Mutation::kAckBeforeStore)) {
    turn.Do(std::move(store));
    Accept(turn, *attempt, std::move(sorted.reported), sorted.result);
    return;
  }
  batches.push_back({token, false, {}, std::move(sorted.reported), sorted.result});
  turn.Do(std::move(store));
}

void Coordinator::On(Turn& turn, const StoreMetricsDone& input) {
  const auto store = stores_.find(input.token);
  if (store == stores_.end()) return;
  const auto [epoch, node] = store->second;
  stores_.erase(store);
  const auto watch = attempts_.find(epoch);
  if (watch == attempts_.end()) return;  // the attempt has ended meanwhile
  auto& batches = watch->second.members[node].batches;
  const auto batch = std::ranges::find(batches, input.token, &AttemptWatch::Batch::token);
  if (batch == batches.end()) return;
  if (!input.status.ok() && input.status.error().kind != ErrorKind::kInvalid) {
    batches.erase(batch, batches.end());  // the agent sends from here again
    return;
  }
  batch->stored = true;
  if (!input.status.ok()) batch->refused = input.status.error().message;
  TakeStored(turn, epoch, node);
}

/// In spool order, as far as the tracker has them.
void Coordinator::TakeStored(Turn& turn, AttemptEpoch epoch, const NodeId& node) {
  for (auto watch = attempts_.find(epoch); watch != attempts_.end();
       watch = attempts_.find(epoch)) {
    auto& batches = watch->second.members[node].batches;
    if (batches.empty() || !batches.front().stored) return;
    AttemptWatch::Batch front = std::move(batches.front());
    batches.pop_front();
    const Attempt& attempt = state_.attempts.at(epoch);
    Accept(turn, attempt, std::move(front.reported), front.result);
    if (!front.refused.empty()) {
      Decide(turn, attempt,
             {epoch, wire::StopReason::kCancelled, wire::ExitCause::kUser,
              "the tracker refuses the trial's metrics: " + front.refused});
    }
  }
}

void Coordinator::Accept(Turn& turn, const Attempt& attempt, Reported reported,
                         std::optional<double> result) {
  const Trial& trial = *state_.FindTrial(attempt.trial);
  InferResumption(trial, attempt, reported);
  CheckKept(state_.sweeps.at(trial.sweep), trial, reported);
  if (reported.resumed_after && trial.attempts.size() > 1) {
    AddCommand(turn, ResumeRun{trial.run, attempt.epoch, *reported.resumed_after});
  }
  const NodeId node = reported.node.empty() ? attempt.members.front().place.node : reported.node;
  const Member* member = attempt.LiveMember(node);
  const bool from_spool = member != nullptr && reported.records_end > member->records_end;
  const bool judge = !reported.reports.empty();
  const bool complete = reported.result_checkpoint.has_value();
  Emit(turn, std::move(reported));
  if (from_spool) turn.Send(node, wire::Ack{attempt.epoch, member->records_end, {}});
  if (trial.phase != TrialPhase::kRunning) return;
  if (complete) {
    CompleteTrial(turn, trial, attempt.epoch, result);
  } else if (judge) {
    AskScheduler(turn, attempt);
  }
}

void Coordinator::AskScheduler(Turn& turn, const Attempt& attempt) {
  if (attempt.stop) return;
  const Trial& trial = *state_.FindTrial(attempt.trial);
  const Sweep& sweep = state_.sweeps.at(trial.sweep);
  const std::int64_t step = trial.reports.back().step;
  switch (SearchOf(sweep).scheduler->Judge(trial.number, sweep.history)) {
    case tuner::Verdict::kContinue:
      return;
    case tuner::Verdict::kStop:
      Decide(
          turn, attempt,
          {attempt.epoch, wire::StopReason::kPruned, {}, "pruned at step " + std::to_string(step)});
      return;
    case tuner::Verdict::kPause:
      Emit(turn, TrialPaused{trial.id, step});
      Decide(
          turn, attempt,
          {attempt.epoch, wire::StopReason::kPaused, {}, "paused at step " + std::to_string(step)});
      return;
  }
}

void Coordinator::On(Turn& turn, const TrackedMetrics& input) {
  const auto run = state_.runs.find(input.run);
  if (run == state_.runs.end()) return;
  const Trial& trial = *state_.FindTrial(run->second);
  if (trial.live.value == 0) return;
  const Attempt& attempt = state_.attempts.at(trial.live);
  const std::string& objective = state_.sweeps.at(trial.sweep).spec.objective.metric;
  Reported reported;
  reported.epoch = attempt.epoch;
  bool by_a_rank =
      false;  // else a person or a program beside the trial, whose write proves no rank
  for (const TrackedMetric& metric : input.metrics) {
    if (metric.attempt != 0 && metric.attempt != attempt.epoch.value) continue;
    by_a_rank = by_a_rank || metric.attempt != 0;
    const auto known = trial.metrics.find(metric.key);
    const auto at_step = std::ranges::lower_bound(trial.reports, metric.step, {}, &Report::step);
    if (metric.key == objective) {
      if (at_step != trial.reports.end() && at_step->step == metric.step &&
          at_step->value == metric.value && at_step->timestamp_ms == metric.timestamp_ms) {
        continue;
      }
      reported.reports.push_back({metric.step, metric.timestamp_ms, metric.value});
    } else if (known != trial.metrics.end() && known->second == metric.value) {
      continue;
    }
    reported.metrics[metric.key] = metric.value;
    reported.step = std::max(reported.step, metric.step);
  }
  if (reported.metrics.empty()) return;
  // Of a gang on several nodes it is not known which one's rank it was; their Started comes.
  if (by_a_rank && attempt.members.size() == 1) {
    MarkRunning(turn, attempt, attempt.members.front().place.node);
  }
  Accept(turn, attempt, std::move(reported), {});
}

void Coordinator::OnLog(Turn& turn, const NodeId& node, const wire::LogChunk& chunk) {
  // Also of an attempt that was given up: what it said last helps people, and changes nothing.
  const Attempt* attempt = state_.FindAttempt(chunk.epoch);
  const bool here =
      attempt != nullptr && std::ranges::any_of(attempt->members, [&](const Member& member) {
        return member.place.node == node;
      });
  if (!here || chunk.rank < 0 || chunk.begin < 0 ||
      (chunk.stream != "out" && chunk.stream != "err")) {
    return;
  }
  turn.Do(StoreLog{node, attempt->trial, chunk.epoch,
                   std::to_string(chunk.rank) + "." + chunk.stream, chunk.begin, chunk.data});
}

void Coordinator::OnNotice(Turn& turn, const NodeId& node, const wire::Notice& notice) {
  const Attempt* attempt = state_.FindAttempt(notice.epoch);
  const Member* member = attempt == nullptr ? nullptr : attempt->LiveMember(node);
  if (member == nullptr) return;
  // Each node counts its own.
  const bool news = std::ranges::none_of(attempt->notices, [&](const Noticed& known) {
    return known.node == node && known.number >= notice.number;
  });
  if (news && attempt->notices.size() < kNoticesMost) {
    Emit(turn, Noticed{notice.epoch, node, notice.kind, notice.number,
                       notice.text.substr(0, wire::kNoticeBytesMax)});
  }
  turn.Send(node, wire::Ack{.epoch = notice.epoch,
                            .records_end = member->records_end,
                            .notices_end = notice.number});
}

void Coordinator::On(Turn& turn, const LogStored& input) {
  const Attempt* attempt = state_.FindAttempt(input.epoch);
  if (attempt == nullptr) return;
  const Member* member = attempt->LiveMember(input.node);
  const std::int64_t records_end = member == nullptr ? 0 : member->records_end;  // 0 says nothing
  turn.Send(input.node, wire::Ack{input.epoch, records_end, {{input.log, input.end}}});
}

}  // namespace muster::coordinator
