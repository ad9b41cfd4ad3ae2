#include <sys/inotify.h>

#include <algorithm>
#include <csignal>
#include <utility>

#include "cluster/local/contract.h"
#include "cluster/local/processes_impl.h"
#include "cluster/local/spool.h"
#include "runtime/base/log.h"

namespace muster::cluster::local {
namespace {

using namespace std::chrono_literals;

constexpr auto kScanEvery = 10ms;           // while something is being killed, doubled ...
constexpr auto kScanMost = 200ms;           // ... up to this
constexpr auto kComplainEvery = 5s;         // about processes that do not die
constexpr std::int64_t kCpuToNoteMs = 100;  // seen elsewhere than by the shim

/// Each source is a lower bound: what the shim counted, what its control groups did, what was seen while it ran.
std::optional<wire::ResourceUse> UsedBy(const Attempt& attempt,
                                        std::optional<std::chrono::milliseconds> groups_cpu) {
  if (!attempt.state || attempt.state->phase == ShimPhase::kPrepared) return std::nullopt;
  wire::ResourceUse used = attempt.seen;
  used.cpu_ms = std::max({used.cpu_ms, attempt.state->cpu_ms, groups_cpu.value_or(0ms).count()});
  used.memory_bytes = std::max(used.memory_bytes, attempt.state->memory_bytes);
  // An agent that starts anew finds neither the groups nor what this one saw.
  if (used.cpu_ms > attempt.state->cpu_ms + kCpuToNoteMs || used.gpu_ms)
    (void)attempt.folder.WriteUsed(used);
  return used;
}

}  // namespace

/// True now and then while it lasts.
bool Kill::IsLate(MonotonicTime now) {
  if (complain_at == MonotonicTime{}) complain_at = now + kComplainEvery;
  if (now < complain_at) return false;
  complain_at = now + kComplainEvery;
  return true;
}

bool Kill::IsOver() {
  std::erase_if(killed, [](const ProcessId& process) {
    const auto alive = IsAlive(process);
    return alive.ok() && !*alive;
  });
  return killed.empty();
}

void Processes::Impl::On(const agent::KillAttempt& effect) { kills.try_emplace(effect.epoch); }

void Processes::Impl::On(const agent::NoteEnd& effect) {
  const Attempt* attempt = FindAttempt(effect.epoch);
  std::error_code error;
  // Of an attempt that could not be made there is nothing that a later agent could find.
  if (attempt == nullptr || !std::filesystem::exists(attempt->folder.path(), error)) return;
  const Status noted =
      attempt->folder.WriteEndNote({.cause = effect.cause, .message = effect.message});
  if (!noted.ok()) LogError("agent", noted.error().message);
}

void Processes::Impl::KillSome(MonotonicTime now) {
  std::vector<AttemptEpoch> empty;
  for (auto& [epoch, kill] : kills) {
    if (ShimSawItEmpty(epoch)) empty.push_back(epoch);
  }
  for (const AttemptEpoch epoch : std::exchange(empty, {})) TellEmpty(epoch, now);
  const bool due =
      std::ranges::any_of(kills, [now](const auto& entry) { return now >= entry.second.look_at; });
  if (!due || !Scan()) return;
  for (auto& [epoch, kill] : kills) {
    // At once and again soon; what still lives after that is not waited for with a busy CPU.
    kill.look_every =
        std::clamp<std::chrono::milliseconds>(kill.look_every * 2, kScanEvery, kScanMost);
    kill.look_at = now + kill.look_every;
    if (table.contains(epoch))
      KillProcesses(epoch, kill, now);
    else
      empty.push_back(epoch);
  }
  for (const AttemptEpoch epoch : empty) TellEmpty(epoch, now);
}

/// The shim saw that nothing is left which descends from it, and is gone. What carries the attempt's mark and never
/// descended from the shim (another daemon started it) is looked for soon, for all attempts at once.
bool Processes::Impl::ShimSawItEmpty(AttemptEpoch epoch) {
  const Attempt* attempt = FindAttempt(epoch);
  if (attempt == nullptr || !attempt->state || !attempt->state->empty) return false;
  const auto alive = IsAlive(attempt->state->shim);
  if (alive.ok() && *alive) SendSignal(attempt->state->shim, SIGKILL);  // it has nothing left to do
  if (!alive.ok() || *alive) return false;
  strays = true;
  return true;
}

void Processes::Impl::KillProcesses(AttemptEpoch epoch, Kill& kill, MonotonicTime now) {
  KillCgroups(FolderOf(epoch).ReadCgroups());
  // The shim last: while it lives it adopts what the others orphan, also what has no mark.
  const Attempt* attempt = FindAttempt(epoch);
  const ProcessId shim = attempt != nullptr && attempt->state ? attempt->state->shim : ProcessId();
  const auto& all = table.at(epoch).processes;
  kill.killed.insert(all.begin(), all.end());
  const bool alone = all.size() == 1;
  for (const auto& process : all) {
    if (process != shim || (alone && kill.shim_spared)) SendSignal(process, SIGKILL);
  }
  kill.shim_spared = alone;
  if (!kill.IsLate(now)) return;
  LogWarning("agent", "attempt " + std::to_string(epoch.value) + ": " + std::to_string(all.size()) +
                          " processes do not die, first pid " + std::to_string(all.front().pid) +
                          "; its slots stay taken");
}

/// Kills what carries the mark of an attempt that is over. Once it was looked for and nothing was there, nothing
/// can come until another attempt ends.
void Processes::Impl::SweepStrays() {
  strays = false;
  for (const auto& [epoch, all] : table) {
    const Attempt* attempt = FindAttempt(epoch);
    if (kills.contains(epoch) || (attempt != nullptr && !attempt->empty_told)) continue;
    strays = true;
    LogWarning("agent", "killing " + std::to_string(all.processes.size()) +
                            " processes with the mark of attempt " + std::to_string(epoch.value) +
                            ", which is over; first pid " +
                            std::to_string(all.processes.front().pid));
    for (const auto& process : all.processes) SendSignal(process, SIGKILL);
  }
}

/// True when the attempt's control groups hold nothing and are deleted; else what they hold is killed. With
/// its environment wiped after the shim had died, a process is found here alone.
bool Processes::Impl::EmptyCgroups(AttemptEpoch epoch, Kill& kill) const {
  const auto groups = FolderOf(epoch).ReadCgroups();
  bool empty = true;
  for (const int pid : ProcessesOfCgroups(groups)) {
    const auto process = IdentifyProcess(pid);
    empty = empty && process.ok() && process->pid == 0;
    if (!process.ok() || process->pid == 0) continue;
    SendSignal(*process, SIGKILL);
    kill.killed.insert(*process);
  }
  if (!empty) return false;
  const Status removed = RemoveCgroups(groups);
  if (!removed.ok()) LogWarning("agent", removed.error().message);
  return true;
}

void Processes::Impl::TellEmpty(AttemptEpoch epoch, MonotonicTime now) {
  Kill& kill = kills[epoch];
  const auto groups_cpu = CpuTimeOfCgroups(FolderOf(epoch).ReadCgroups());  // while they are there
  if (!kill.IsOver() || !EmptyCgroups(epoch, kill)) {
    if (kill.IsLate(now))
      LogWarning("agent", "attempt " + std::to_string(epoch.value) +
                              ": what was killed has not ended yet; its slots stay taken");
    return;
  }
  agent::SlotEmpty empty{.epoch = epoch};
  if (Attempt* attempt = FindAttempt(epoch)) {
    Observe(*attempt);  // what the shim wrote last comes before
    const auto records_end = WholeLineBytes(attempt->folder.records());
    if (!records_end.ok()) {  // what is not known to be read must not be forgotten
      if (kill.IsLate(now))
        LogWarning("agent", "its slots stay taken: " + records_end.error().message);
      return;
    }
    empty.records_end = *records_end;
    for (const int rank : RanksOf(attempt->prepare)) {
      for (const char* stream : {"out", "err"}) {
        const std::int64_t bytes = FileBytes(attempt->folder.output(rank, stream));
        if (bytes > 0) empty.logs_end[std::to_string(rank) + "." + stream] = bytes;
      }
    }
    empty.used = UsedBy(*attempt, groups_cpu);
    std::error_code ignored;
    std::filesystem::remove_all(attempt->folder.scratch(), ignored);
    attempt->over_told = attempt->empty_told = true;
  }
  kills.erase(epoch);
  inputs.emplace_back(std::move(empty));
}

void Processes::Impl::On(const agent::ForgetAttempt& effect) {
  const AttemptFolder folder = FolderOf(effect.epoch);
  if (const Attempt* attempt = FindAttempt(effect.epoch)) {
    for (const int watch : attempt->watches) {
      inotify_rm_watch(watch_fd, watch);
      watched.erase(watch);
    }
    if (attempt->inspecting != 0) {
      kill(attempt->inspecting, SIGKILL);
      children.push_back(attempt->inspecting);
    }
  }
  std::error_code ignored;
  std::filesystem::remove_all(folder.scratch(), ignored);
  if (folder.run() != folder.path()) std::filesystem::remove_all(folder.run(), ignored);
  if (const Status taken = spares.Take(folder); !taken.ok())
    LogWarning("agent", taken.error().message);
  attempts.erase(effect.epoch);
  kills.erase(effect.epoch);
}

}  // namespace muster::cluster::local
