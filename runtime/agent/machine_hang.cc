#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>

#include "runtime/agent/machine.h"

/// Ranks that hang, lag or use too much memory: hang.h and straggler.h judge, here is what follows.

namespace muster::agent {
namespace {

using std::chrono::milliseconds;

constexpr int kNoticesMost = 16;  ///< of one attempt and one life of the agent
/// Numbers of a later life are higher.
constexpr std::int64_t kNoticesALife = 1000;

std::string RankNames(const std::vector<int>& ranks) {
  constexpr std::size_t kMost = 8;
  std::string names = ranks.size() == 1 ? "rank " : "ranks ";
  for (std::size_t i = 0; i < std::min(ranks.size(), kMost); ++i)
    names += (i == 0 ? "" : ", ") + std::to_string(ranks[i]);
  if (ranks.size() > kMost) names += " and " + std::to_string(ranks.size() - kMost) + " more";
  return names;
}

std::string Size(std::int64_t bytes) {
  constexpr double kMiB = 1024.0 * 1024;
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.1f MiB", static_cast<double>(bytes) / kMiB);
  return text.data();
}

}  // namespace

void Machine::SeeSteps(Attempt& attempt, const std::vector<wire::TrialRecord>& records) {
  if (!attempt.hang_watch) return;
  for (const wire::TrialRecord& record : records) {
    const MonotonicTime before = attempt.hang_watch->step_at();
    attempt.hang_watch->Step(record.rank, record.step, now_);
    if (attempt.hang_watch->step_at() != before) attempt.straggler_watch.Step();
  }
}

void Machine::On(const Observed& input) {
  Attempt* attempt = Find(input.epoch);
  if (attempt == nullptr || attempt->phase != Phase::kRunning) return;
  if (EndIfTooLarge(*attempt, input.ranks)) return;
  if (const auto slow = attempt->straggler_watch.Observe(input.ranks, now_)) {
    MakeNotice(*attempt, wire::NoticeKind::kStraggler,
               "rank " + std::to_string(slow->rank) + " on node " + options_.node.value +
                   " is slow: " + slow->why);
  }
  if (attempt->prepare.hang_ms <= 0) return;
  // While they are looked at, debuggers stop the ranks and use CPU.
  if (attempt->inspected_from) {
    if (attempt->hang_watch) attempt->hang_watch->ObserveBeats(input.ranks, now_);
    return;
  }
  if (!attempt->hang_watch) {
    const milliseconds after(attempt->prepare.hang_ms);
    attempt->hang_watch.emplace(HangLimits{
        .after = after, .first = std::max(after, milliseconds(attempt->prepare.silence_ms))});
  }
  attempt->hang_watch->Observe(input.ranks, now_);
  auto hang = attempt->hang_watch->Judge();
  if (!hang) {
    attempt->hang.reset();
  } else if (!attempt->hang || attempt->hang->ranks != hang->ranks) {
    Suspect(*attempt, *std::move(hang));
  }
}

bool Machine::EndIfTooLarge(Attempt& attempt, const std::vector<RankSample>& ranks) {
  const std::int64_t allowed = attempt.prepare.memory_bytes;
  const auto large = std::ranges::find_if(
      ranks, [allowed](const RankSample& rank) { return rank.rss_bytes > allowed; });
  if (allowed <= 0 || large == ranks.end()) return false;
  End(attempt, wire::ExitCause::kOom,
      "rank " + std::to_string(large->rank) + " used " + Size(large->rss_bytes) + " of memory, " +
          Size(allowed) + " are allowed (resources.memory)",
      0);
  return true;
}

/// The coarse rule, which needs no sample of any rank.
void Machine::EndIfSilent(Attempt& attempt) {
  const wire::Prepare& prepare = attempt.prepare;
  if (attempt.phase != Phase::kRunning || prepare.silence_ms <= 0 ||
      now_ - attempt.activity < milliseconds(prepare.silence_ms)) {
    return;
  }
  const std::string why = "no output, record or CPU use of attempt " +
                          std::to_string(prepare.epoch.value) + " for " +
                          std::to_string(prepare.silence_ms) + " ms";
  if (prepare.hang_ms <= 0) return End(attempt, wire::ExitCause::kHang, why, 0);
  if (attempt.inspected_from || std::exchange(attempt.silence_told, true)) return;
  Hang all{.ranks = {}, .why = why};
  for (int rank = 0; rank < prepare.ranks; ++rank) {
    all.ranks.push_back(prepare.first_rank + rank);
  }
  Suspect(attempt, std::move(all));
}

void Machine::Suspect(Attempt& attempt, Hang hang) {
  attempt.inspected_from = now_;
  effects_.emplace_back(InspectHang{attempt.prepare.epoch, hang.ranks, hang.why});
  attempt.hang = std::move(hang);
}

void Machine::On(const HangInspected& input) {
  Attempt* attempt = Find(input.epoch);
  if (attempt != nullptr && attempt->inspected_from) Conclude(*attempt, input.evidence);
}

void Machine::Conclude(Attempt& attempt, const std::string& evidence) {
  const MonotonicTime from = *attempt.inspected_from;
  attempt.inspected_from.reset();
  if (attempt.phase != Phase::kRunning || !attempt.hang) return;
  std::string text = RankNames(attempt.hang->ranks) + " on node " + options_.node.value + ": " +
                     attempt.hang->why + (evidence.empty() ? "" : "; " + evidence);
  const bool went_on = attempt.hang_watch && attempt.hang_watch->step_at() > from;
  if (went_on || attempt.prepare.hang_action == wire::HangAction::kReport) {
    MakeNotice(attempt, wire::NoticeKind::kHang, text + (went_on ? "; it went on since" : ""));
  } else {
    End(attempt, wire::ExitCause::kHang, std::move(text), 0);
  }
}

void Machine::TickHang(Attempt& attempt) {
  EndIfSilent(attempt);
  if (attempt.inspected_from && now_ - *attempt.inspected_from >= milliseconds(options_.inspect_ms))
    Conclude(attempt, "nothing more could be found out in time");
  if (welcomed_ && !attempt.notices.empty() &&
      now_ - attempt.notice_sent >= milliseconds(options_.resend_ms))
    SendNotices(attempt);
}

void Machine::MakeNotice(Attempt& attempt, wire::NoticeKind kind, std::string text) {
  if (attempt.notices_made >= kNoticesMost) return;
  ++attempt.notices_made;
  if (text.size() > wire::kNoticeBytesMax) text.resize(wire::kNoticeBytesMax);
  attempt.notices.push_back({.epoch = attempt.prepare.epoch,
                             .kind = kind,
                             .number = options_.incarnation * kNoticesALife + attempt.notices_made,
                             .text = std::move(text)});
  SendNotices(attempt);
}

void Machine::SendNotices(Attempt& attempt) {
  attempt.notice_sent = now_;
  for (const wire::Notice& notice : attempt.notices) Send(notice);
}

}  // namespace muster::agent
