#include <algorithm>
#include <chrono>
#include <variant>

#include "runtime/agent/machine.h"

// The spools on disk are the send buffers: what is not acknowledged is read and sent again ("go back N"),
// so a slow or absent coordinator costs a bounded number of bytes in flight and none in memory.

namespace muster::agent {
namespace {

using std::chrono::milliseconds;

/// Where to read next and how much, or nothing: a read is out, the window is full, or this is the end.
std::optional<std::pair<std::int64_t, std::int64_t>> NextRead(Spool& spool,
                                                              const Options& options) {
  if (spool.final && spool.cursor >= *spool.final) return std::nullopt;
  if (spool.asked == spool.cursor) return std::nullopt;
  const std::int64_t room = options.window_bytes - (spool.cursor - spool.acked);
  if (room <= 0) return std::nullopt;
  spool.asked = spool.cursor;
  return std::pair(spool.cursor, std::min(room, options.chunk_bytes));
}

/// True when the answer to a read continues what was sent. Another one is late: it was asked for before a
/// rewind.
bool TakeAnswer(Spool& spool, std::int64_t begin, std::int64_t end, MonotonicTime now) {
  if (spool.asked == begin) spool.asked.reset();
  if (begin != spool.cursor || end <= begin) return false;
  if (spool.cursor <= spool.acked) spool.progress = now;
  spool.cursor = end;
  return true;
}

bool Silent(const Spool& spool, MonotonicTime now, const Options& options) {
  return spool.cursor > spool.acked && now - spool.progress >= milliseconds(options.resend_ms);
}

}  // namespace

void Machine::OpenSpools(Attempt& attempt) {
  const int first = attempt.prepare.first_rank;
  for (int rank = first; rank < first + attempt.prepare.ranks; ++rank) {
    for (const char* stream : {"out", "err"})
      attempt.logs[std::to_string(rank) + "." + stream] = {rank, stream, {}};
  }
  ReadOn(attempt);
}

void Machine::ReadOn(Attempt& attempt) {
  // A slot that is proved empty keeps being read to its end; an attempt that is done is not.
  if (!attempt.started || attempt.discard || attempt.phase == Phase::kExited) return;
  const AttemptEpoch epoch = attempt.prepare.epoch;
  if (const auto next = NextRead(attempt.records, options_))
    effects_.emplace_back(ReadRecords{epoch, next->first, next->second});
  for (auto& [name, log] : attempt.logs) {
    if (const auto next = NextRead(log.spool, options_))
      effects_.emplace_back(ReadLog{epoch, log.rank, log.stream, next->first, next->second});
  }
}

void Machine::On(const RecordsRead& input) {
  Attempt* attempt = Find(input.epoch);
  if (attempt == nullptr) return;
  attempt->activity = now_;
  SeeSteps(*attempt, input.records);
  if (TakeAnswer(attempt->records, input.begin, input.end, now_))
    Send(wire::Records{input.epoch, input.begin, input.end, input.records});
  ReadOn(*attempt);
}

void Machine::On(const LogRead& input) {
  Attempt* attempt = Find(input.epoch);
  if (attempt == nullptr) return;
  const auto log = attempt->logs.find(std::to_string(input.rank) + "." + input.stream);
  if (log == attempt->logs.end()) return;
  attempt->activity = now_;
  if (TakeAnswer(log->second.spool, input.begin, input.end, now_))
    Send(wire::LogChunk{input.epoch, input.rank, input.stream, input.begin, input.data});
  ReadOn(*attempt);
}

void Machine::OnMessage(const wire::Ack& ack) {
  Attempt* attempt = Find(ack.epoch);
  if (attempt == nullptr) return;
  const auto advance = [this](Spool& spool, std::int64_t end) {
    if (end <= spool.acked) return false;
    spool.acked = end;
    spool.cursor = std::max(spool.cursor, end);
    spool.progress = now_;
    return true;
  };
  advance(attempt->records, ack.records_end);
  for (const auto& [name, end] : ack.logs_end) {
    const auto log = attempt->logs.find(name);
    if (log != attempt->logs.end() && advance(log->second.spool, end)) attempt->log_progress = now_;
  }
  std::erase_if(attempt->notices,
                [&](const wire::Notice& notice) { return notice.number <= ack.notices_end; });
  ReadOn(*attempt);
  FinishIfDrained(*attempt);
}

void Machine::SendAgain(Attempt& attempt) {
  if (Mutated(Mutation::kNoResend)) return;
  attempt.records.cursor = attempt.records.acked;
  attempt.records.progress = now_;
  for (auto& [name, log] : attempt.logs) {
    log.spool.cursor = log.spool.acked;
    log.spool.progress = now_;
  }
  ReadOn(attempt);
}

void Machine::SendAgainIfSilent(Attempt& attempt) {
  bool again = Silent(attempt.records, now_, options_);
  for (const auto& [name, log] : attempt.logs) again = again || Silent(log.spool, now_, options_);
  if (again) SendAgain(attempt);
}

}  // namespace muster::agent
