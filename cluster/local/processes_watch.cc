#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <utility>

#include "cluster/local/contract.h"
#include "cluster/local/observe.h"
#include "cluster/local/processes_impl.h"
#include "cluster/local/spool.h"
#include "runtime/agent/exit_cause.h"
#include "runtime/base/log.h"

namespace muster::cluster::local {
namespace {

/// All ranks here are done, and mpirun's daemon, which must not be killed, waits for the gang's ranks elsewhere: the
/// last end is not told until it is gone.
bool StaysForGang(const Attempt& attempt) {
  return attempt.state && !attempt.prepare.start_secret.empty() && !attempt.state->all_ended &&
         static_cast<int>(attempt.state->ends.size()) == attempt.prepare.ranks;
}

bool IsWell(const RankEnd& end) { return end.code == 0 || end.code == agent::kResumeCode; }

}  // namespace

/// Notes whose folder changed.
void Processes::Impl::ReadWatches() {
  alignas(inotify_event) std::array<char, 16384> buffer;
  ssize_t got = 0;
  while ((got = read(watch_fd, buffer.data(), buffer.size())) > 0) {
    for (ssize_t at = 0; at < got;) {
      const auto* event = reinterpret_cast<const inotify_event*>(buffer.data() + at);
      at += static_cast<ssize_t>(sizeof *event + event->len);
      if ((event->mask & IN_Q_OVERFLOW) != 0) {
        for (auto& [epoch, attempt] : attempts) attempt.changed = true;
      }
      const auto whose = watched.find(event->wd);
      if (whose == watched.end()) continue;
      if (Attempt* attempt = FindAttempt(whose->second)) attempt->changed = true;
      if ((event->mask & IN_IGNORED) != 0) watched.erase(whose);
    }
  }
}

/// True when the shim wrote a newer state than the one known.
bool Processes::Impl::LoadState(Attempt& attempt) {
  struct stat status{};
  if (stat(attempt.folder.state_file().c_str(), &status) != 0) return false;
  const std::pair version(status.st_ino,
                          status.st_mtim.tv_sec * 1'000'000'000 + status.st_mtim.tv_nsec);
  if (attempt.state && version == attempt.state_version) return false;
  auto state = attempt.folder.ReadState();
  if (!state.ok()) {
    LogError("agent", state.error().message);
    return false;
  }
  attempt.state = std::move(state).value();
  attempt.state_version = version;
  attempt.changed = true;
  return true;
}

void Processes::Impl::TellState(Attempt& attempt) {
  if (!attempt.state) return;
  const ShimState& state = *attempt.state;
  const AttemptEpoch epoch = attempt.prepare.epoch;
  if (state.phase == ShimPhase::kFailed) return FailMake(attempt, state.message);
  if (!std::exchange(attempt.ready_told, true)) {
    inputs.emplace_back(
        agent::ShimReady{.epoch = epoch, .address = AddressOf(state), .port = state.port});
  }
  if (state.phase != ShimPhase::kRunning) return;
  attempt.start.reset();
  if (!std::exchange(attempt.started_told, true))
    inputs.emplace_back(agent::ShimStarted{.epoch = epoch});
  if (!state.launcher_end.empty() && !std::exchange(attempt.over_told, true))
    inputs.emplace_back(agent::ShimLost{.epoch = epoch, .message = state.launcher_end});
  const bool all_news = state.all_ended && !attempt.all_told;
  if (attempt.ends_told == state.ends.size() && !all_news) return;
  agent::RanksExited exited{.epoch = epoch, .all = state.all_ended};
  for (; attempt.ends_told < state.ends.size(); ++attempt.ends_told) {
    const RankEnd& end = state.ends[attempt.ends_told];
    if (StaysForGang(attempt) && attempt.ends_told + 1 == state.ends.size() && IsWell(end)) break;
    exited.ranks.push_back({.exit = {.rank = end.rank, .code = end.code, .text = end.text},
                            .out_of_memory = end.out_of_memory});
  }
  attempt.all_told = state.all_ended;
  if (exited.ranks.empty() && !exited.all) return;
  inputs.emplace_back(std::move(exited));
}

/// Is the shim gone although ranks were left?
void Processes::Impl::CheckShim(Attempt& attempt) {
  const AttemptEpoch epoch = attempt.prepare.epoch;
  if (attempt.over_told || attempt.spawned || kills.contains(epoch)) return;
  if (!attempt.state) {
    // An earlier agent asked for this shim. It may be about to become ready.
    if (!Scan() || table.contains(epoch) || LoadState(attempt)) return;
    return FailMake(attempt, "the shim of an earlier agent never became ready");
  }
  if (attempt.state->all_ended) return;
  const auto alive = IsAlive(attempt.state->shim);
  if (!alive.ok() || *alive) return;
  if (LoadState(attempt)) return;  // its last words, told next time
  attempt.over_told = true;
  inputs.emplace_back(agent::ShimLost{
      .epoch = epoch,
      .message = "the shim (pid " + std::to_string(attempt.state->shim.pid) + ") was killed"});
}

void Processes::Impl::Observe(Attempt& attempt) {
  LoadState(attempt);
  TellState(attempt);
}

void Processes::Impl::On(const agent::ReadRecords& effect) {
  Attempt* attempt = FindAttempt(effect.epoch);
  if (attempt == nullptr) return;
  attempt->records_wanted = effect;
  attempt->changed = true;
}

void Processes::Impl::On(const agent::ReadLog& effect) {
  Attempt* attempt = FindAttempt(effect.epoch);
  if (attempt == nullptr) return;
  attempt->logs_wanted[{effect.rank, effect.stream}] = effect;
  attempt->changed = true;
}

void Processes::Impl::ReadSpools(Attempt& attempt) {
  if (attempt.records_wanted) {
    if (auto read = ReadRecordSpool(attempt.folder.records(), *attempt.records_wanted)) {
      attempt.records_wanted.reset();
      inputs.emplace_back(std::move(*read));
    }
  }
  for (auto it = attempt.logs_wanted.begin(); it != attempt.logs_wanted.end();) {
    const auto& [rank, stream] = it->first;
    auto read = ReadLogSpool(attempt.folder.output(rank, stream), it->second);
    if (read) inputs.emplace_back(std::move(*read));
    it = read ? attempt.logs_wanted.erase(it) : std::next(it);
  }
}

void Processes::Impl::CheckActivity(Attempt& attempt) {
  if (attempt.prepare.silence_ms == 0) return;
  std::int64_t bytes = FileBytes(attempt.folder.records());
  for (const int rank : RanksOf(attempt.prepare)) {
    for (const char* stream : {"out", "err"})
      bytes += FileBytes(attempt.folder.output(rank, stream));
  }
  const auto all = table.find(attempt.prepare.epoch);
  const std::int64_t ticks = all == table.end() ? 0 : all->second.cpu_ticks;
  std::int64_t gpu_ms = 0;
  if (gpus != nullptr && all != table.end()) {
    for (const ProcessStat& process : all->second.stats) gpu_ms += gpus->BusyMs(process.id.pid);
  }
  if (bytes != std::exchange(attempt.spool_bytes, bytes) ||
      ticks != std::exchange(attempt.cpu_ticks, ticks) ||
      gpu_ms != std::exchange(attempt.gpu_ms, gpu_ms) || StaysForGang(attempt)) {
    inputs.emplace_back(agent::Activity{.epoch = attempt.prepare.epoch});
  }
}

void Processes::Impl::SampleAttempt(const Attempt& attempt) {
  const wire::Prepare& prepare = attempt.prepare;
  const auto all = table.find(prepare.epoch);
  if (prepare.hang_ms == 0 && prepare.memory_bytes == 0) return;
  if (!attempt.state || all == table.end() || kills.contains(prepare.epoch)) return;
  inputs.emplace_back(
      agent::Observed{.epoch = prepare.epoch,
                      .ranks = SampleRanks(all->second, *attempt.state, attempt.folder,
                                           prepare.memory_bytes, gpus.get())});
}

/// What nobody can tell once the processes are gone: of GPUs, of memory, and of all when the shim is killed.
void Processes::Impl::NoteUse(Attempt& attempt) {
  const auto all = table.find(attempt.prepare.epoch);
  if (!attempt.state || all == table.end()) return;
  wire::ResourceUse& seen = attempt.seen;
  const std::int64_t cpu_ms = all->second.cpu_ticks * 1'000 / sysconf(_SC_CLK_TCK);
  seen.cpu_ms = std::max(seen.cpu_ms, attempt.state->cpu_ms + cpu_ms);
  std::int64_t pages = 0;
  for (const ProcessStat& process : all->second.stats) pages += process.rss_pages;
  seen.memory_bytes = std::max(seen.memory_bytes, pages * getpagesize());
  if (gpus == nullptr) return;
  const std::int64_t before = seen.gpu_ms.value_or(0);
  seen.gpu_ms = before;
  std::map<ProcessId, std::int64_t> now;
  for (const ProcessStat& process : all->second.stats) {
    const std::int64_t busy = gpus->BusyMs(process.id.pid);
    const auto last = attempt.gpu_busy.find(process.id);
    const std::int64_t had = last == attempt.gpu_busy.end() ? 0 : last->second;
    *seen.gpu_ms += busy < had ? busy : busy - had;  // after a long idle time it is counted anew
    if (busy > 0) now.emplace(process.id, busy);
  }
  attempt.gpu_busy = std::move(now);
  if (seen.gpu_ms == before) return;
  if (const Status noted = attempt.folder.WriteUsed(seen); !noted.ok())
    LogWarning("agent", noted.error().message);
}

/// Looks at all processes. False when that failed, which says nothing about any of them.
bool Processes::Impl::Scan() {
  auto scanned = ScanAttempts(options.home_id);
  if (!scanned.ok() && !scan_failed)
    LogWarning("agent", "cannot look for processes, slots stay taken: " + scanned.error().message);
  scan_failed = !scanned.ok();
  if (scanned.ok()) table = std::move(scanned).value();
  return !scan_failed;
}

}  // namespace muster::cluster::local
