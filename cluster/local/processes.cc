#include "cluster/local/processes.h"

#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <map>
#include <optional>
#include <utility>

#include "cluster/local/attempt_folder.h"
#include "cluster/local/cgroups.h"
#include "cluster/local/contract.h"
#include "cluster/local/lease.h"
#include "cluster/local/observe.h"
#include "cluster/local/order.h"
#include "cluster/local/record_server.h"
#include "cluster/local/spawn.h"
#include "cluster/local/spool.h"
#include "runtime/base/file.h"
#include "runtime/base/log.h"
#include "runtime/wire/codec.h"

namespace muster::cluster::local {
namespace {

using namespace std::chrono_literals;

constexpr auto kScanEvery = 10ms;    // while something is being killed, doubled ...
constexpr auto kScanMost = 200ms;    // ... up to this
constexpr auto kStartEvery = 200ms;  // between orders to start that were not followed yet
constexpr auto kActivityEvery = 1s;
constexpr auto kComplainEvery = 5s;  // about processes that do not die
constexpr auto kInspectMost = 14s;   // its own bounds are shorter

struct Attempt {
  explicit Attempt(AttemptFolder at) : folder(std::move(at)) {}

  AttemptFolder folder;
  wire::Prepare prepare;
  int spawning = 0;  ///< pid of the shim's parent, which ends when the shim is ready
  std::optional<ShimState> state;
  std::pair<ino_t, std::int64_t> state_version;  ///< inode and time of the state.json that was read
  bool ready_told = false;
  bool started_told = false;
  bool over_told = false;  ///< MakeFailed or ShimLost
  bool all_told = false;
  std::size_t ends_told = 0;
  std::optional<Order> start;  ///< until the shim has followed it
  MonotonicTime start_sent;
  std::optional<agent::ReadRecords> records_wanted;
  std::map<std::pair<int, std::string>, agent::ReadLog> logs_wanted;
  std::int64_t spool_bytes = 0;  ///< at the last look for activity
  std::int64_t cpu_ticks = 0;
  int inspecting = 0;  ///< pid of `muster inspect`
  MonotonicTime inspect_until;
};

struct Kill {
  MonotonicTime complain_at;

  /// True now and then while it lasts.
  bool IsLate(MonotonicTime now) {
    if (complain_at == MonotonicTime{}) complain_at = now + kComplainEvery;
    if (now < complain_at) return false;
    complain_at = now + kComplainEvery;
    return true;
  }
};

AttemptEpoch EpochOfFolder(const std::filesystem::path& folder) {
  const std::string name = folder.filename().string();
  AttemptEpoch epoch;
  const auto parsed = std::from_chars(name.data(), name.data() + name.size(), epoch.value);
  return parsed.ptr == name.data() + name.size() ? epoch : AttemptEpoch();
}

}  // namespace

struct Processes::Impl {
  explicit Impl(ProcessesOptions given) : options(std::move(given)) {}
  ~Impl() {
    if (watch_fd >= 0) close(watch_fd);
  }

  // Effects.
  void On(const agent::Send& /*effect*/) {}
  void On(const agent::MakeAttempt& effect);
  void On(const agent::StartRanks& effect);
  void On(const agent::SignalRanks& effect);
  void On(const agent::NoteEnd& effect);
  void On(const agent::KillAttempt& effect) {
    if (!kills.try_emplace(effect.epoch).second) return;
    scan_at = {};
    scan_every = kScanEvery;
  }
  void On(const agent::ReadRecords& effect);
  void On(const agent::ReadLog& effect);
  void On(const agent::ForgetAttempt& effect);
  void On(const agent::InspectHang& effect);
  void On(const agent::RenewLease& effect);

  Status Make(Attempt& attempt);
  void Watch(const AttemptFolder& folder) const;
  void FailMake(Attempt& attempt, const std::string& message,
                wire::ExitCause cause = wire::ExitCause::kInfra);
  // What Poll does for one attempt.
  void ReapSpawning(Attempt& attempt);
  bool LoadState(Attempt& attempt);
  void TellState(Attempt& attempt);
  void CheckShim(Attempt& attempt);
  void SendStart(Attempt& attempt, MonotonicTime now);
  void ReadSpools(Attempt& attempt);
  void CheckActivity(Attempt& attempt);
  void SampleAttempt(const Attempt& attempt);
  void ReapInspection(Attempt& attempt, MonotonicTime now);
  void Observe(Attempt& attempt);
  bool Scan();
  // Kills, over all attempts.
  void KillSome(MonotonicTime now);
  void TellEmpty(AttemptEpoch epoch, MonotonicTime now);
  [[nodiscard]] bool EmptyCgroups(AttemptEpoch epoch) const;

  [[nodiscard]] AttemptFolder FolderOf(AttemptEpoch epoch) const {
    return AttemptFolder(options.attempts_dir / std::to_string(epoch.value));
  }
  [[nodiscard]] std::string AddressOf(const ShimState& state) const {
    return options.address.empty() ? state.address : options.address;
  }
  Attempt* FindAttempt(AttemptEpoch epoch) {
    const auto found = attempts.find(epoch);
    return found == attempts.end() ? nullptr : &found->second;
  }

  ProcessesOptions options;
  Cgroups cgroups;
  int watch_fd = -1;
  std::map<AttemptEpoch, Attempt> attempts;
  std::map<AttemptEpoch, Kill> kills;
  std::vector<agent::Input> inputs;  ///< of the next Poll
  MonotonicTime scan_at;
  std::chrono::milliseconds scan_every{kScanEvery};  ///< grows while it lasts
  std::vector<int> children;                         ///< killed, and to be waited for
  MonotonicTime activity_at;
  std::map<AttemptEpoch, AttemptProcesses> table;  ///< of the last scan
  bool scan_failed = false;                        ///< that one, and it was said
};

// --- effects ----------------------------------------------------------------------------------------

void Processes::Impl::On(const agent::MakeAttempt& effect) {
  const AttemptEpoch epoch = effect.prepare.epoch;
  if (Attempt* known = FindAttempt(epoch)) {
    known->ready_told = false;  // asked again: answered again
    return;
  }
  Attempt& attempt = attempts.emplace(epoch, FolderOf(epoch)).first->second;
  attempt.prepare = effect.prepare;
  const Status made = Make(attempt);
  if (made.ok()) return;
  const bool missing = made.error().kind == ErrorKind::kNotFound;
  FailMake(attempt, made.error().message,
           missing ? wire::ExitCause::kUser : wire::ExitCause::kInfra);
}

Status Processes::Impl::Make(Attempt& attempt) {
  wire::Prepare& prepare = attempt.prepare;
  if (prepare.command.empty()) return Invalid("the trial has no command");
  Environment environment = CleanEnvironment();
  for (const auto& [name, value] : prepare.env) environment[name] = value;
  MUSTER_ASSIGN_OR_RETURN(prepare.command[0], FindProgram(prepare.command[0], options.bin_dir,
                                                          prepare.working_dir, environment));
  if (prepare.launcher == wire::LauncherKind::kMpi) {
    const auto mpirun = FindProgram("mpirun", {}, {}, environment);
    if (!mpirun.ok()) {
      return Unavailable("Open MPI is needed to start this trial: " + mpirun.error().message);
    }
  }
  std::error_code error;
  if (!prepare.working_dir.empty() && !std::filesystem::is_directory(prepare.working_dir, error))
    return NotFound("working directory " + prepare.working_dir + " does not exist on this node");
  const auto& path = attempt.folder.path();
  if (mkdir(path.c_str(), 0700) != 0 && errno != EEXIST)
    return IoError("make " + path.string(), errno);
  MUSTER_RETURN_IF_ERROR(attempt.folder.WritePrepare(prepare));
  const auto groups =
      cgroups.Make("muster-" + options.home_id + "-" + std::to_string(prepare.epoch.value),
                   prepare.memory_bytes * prepare.ranks);
  if (!groups.empty()) MUSTER_RETURN_IF_ERROR(attempt.folder.WriteCgroups(groups));
  Watch(attempt.folder);
  environment = CleanEnvironment();
  environment["MUSTER_HOME_ID"] = options.home_id;
  environment["MUSTER_ATTEMPT"] = std::to_string(prepare.epoch.value);
  MUSTER_ASSIGN_OR_RETURN(
      attempt.spawning, Spawn({.command = {options.self_executable.string(), "shim", path.string()},
                               .environment = std::move(environment),
                               .working_dir = "/",
                               .out = attempt.folder.shim_log(),
                               .err = attempt.folder.shim_log()}));
  return Ok();
}

void Processes::Impl::Watch(const AttemptFolder& folder) const {
  // Only a wake-up call: what changed is read from the files.
  inotify_add_watch(watch_fd, folder.path().c_str(), IN_MOVED_TO | IN_MODIFY);
}

void Processes::Impl::FailMake(Attempt& attempt, const std::string& message,
                               wire::ExitCause cause) {
  if (std::exchange(attempt.over_told, true)) return;
  inputs.emplace_back(
      agent::MakeFailed{.epoch = attempt.prepare.epoch, .message = message, .cause = cause});
}

void Processes::Impl::On(const agent::StartRanks& effect) {
  Attempt* attempt = FindAttempt(effect.go.epoch);
  if (attempt == nullptr) return;
  attempt->started_told = false;
  attempt->start = Order{.order = "start",
                         .master_address = effect.go.master_address,
                         .master_port = effect.go.master_port};
  attempt->start_sent = {};
}

void Processes::Impl::On(const agent::SignalRanks& effect) {
  Attempt* attempt = FindAttempt(effect.epoch);
  if (attempt == nullptr) return;
  const Order order{.order = "signal", .signal = effect.signal};
  const auto sent = SendUnix(attempt->folder.agent_socket(options.home_id), wire::Encode(order));
  if (sent.ok() || !attempt->state) return;
  for (const auto& rank : attempt->state->ranks) SendSignal(rank.process, effect.signal);
}

void Processes::Impl::On(const agent::NoteEnd& effect) {
  const Attempt* attempt = FindAttempt(effect.epoch);
  std::error_code error;
  // Of an attempt that could not be made there is nothing that a later agent could find.
  if (attempt == nullptr || !std::filesystem::exists(attempt->folder.path(), error)) return;
  const Status noted =
      attempt->folder.WriteEndNote({.cause = effect.cause, .message = effect.message});
  if (!noted.ok()) LogError("agent", noted.error().message);
}

void Processes::Impl::On(const agent::ReadRecords& effect) {
  if (Attempt* attempt = FindAttempt(effect.epoch)) attempt->records_wanted = effect;
}

void Processes::Impl::On(const agent::ReadLog& effect) {
  if (Attempt* attempt = FindAttempt(effect.epoch))
    attempt->logs_wanted[{effect.rank, effect.stream}] = effect;
}

void Processes::Impl::On(const agent::ForgetAttempt& effect) {
  const AttemptFolder folder = FolderOf(effect.epoch);
  std::error_code error;
  std::filesystem::remove_all(folder.Scratch(options.home_id), error);
  std::filesystem::remove_all(folder.path(), error);
  if (error)
    LogWarning("agent", "cannot delete " + folder.path().string() + ": " + error.message());
  if (const Attempt* attempt = FindAttempt(effect.epoch); attempt && attempt->inspecting != 0) {
    kill(attempt->inspecting, SIGKILL);
    children.push_back(attempt->inspecting);
  }
  attempts.erase(effect.epoch);
  kills.erase(effect.epoch);
}

void Processes::Impl::On(const agent::RenewLease& effect) {
  const Status written = WriteLease(FolderOf(AttemptEpoch()).lease(), effect.until);
  if (!written.ok()) LogWarning("agent", "ranks may be ended early: " + written.error().message);
}

void Processes::Impl::On(const agent::InspectHang& effect) {
  Attempt* attempt = FindAttempt(effect.epoch);
  if (attempt == nullptr || attempt->inspecting != 0) return;
  std::error_code ignored;
  std::filesystem::remove(attempt->folder.hang_text(), ignored);
  std::vector<std::string> command = {options.self_executable.string(), "inspect",
                                      attempt->folder.path().string(), effect.why};
  for (const int rank : effect.ranks) command.push_back(std::to_string(rank));
  Environment environment = CleanEnvironment();
  environment["MUSTER_HOME_ID"] = options.home_id;
  auto pid = Spawn({.command = std::move(command),
                    .environment = std::move(environment),
                    .working_dir = "/",
                    .out = attempt->folder.shim_log(),
                    .err = attempt->folder.shim_log(),
                    .die_with_parent = true});
  if (!pid.ok()) {
    inputs.emplace_back(
        agent::HangInspected{.epoch = effect.epoch, .evidence = pid.error().message});
    return;
  }
  attempt->inspecting = *pid;
  attempt->inspect_until = {};
}

void Processes::Impl::ReapInspection(Attempt& attempt, MonotonicTime now) {
  if (attempt.inspecting == 0) return;
  if (attempt.inspect_until == MonotonicTime{}) attempt.inspect_until = now + kInspectMost;
  if (now >= attempt.inspect_until) kill(attempt.inspecting, SIGKILL);
  // ECHILD: somebody in this process ignores SIGCHLD; then the file alone tells.
  const bool ended = waitpid(attempt.inspecting, nullptr, WNOHANG) != 0;
  if (!ended) return;
  attempt.inspecting = 0;
  const auto text = ReadWholeFile(attempt.folder.hang_text());
  inputs.emplace_back(
      agent::HangInspected{.epoch = attempt.prepare.epoch,
                           .evidence = text.ok() ? *text : "nothing more could be found out"});
}

// --- watching ---------------------------------------------------------------------------------------

void Processes::Impl::ReapSpawning(Attempt& attempt) {
  if (attempt.spawning == 0) return;
  int status = 0;
  const int pid = waitpid(attempt.spawning, &status, WNOHANG);
  if (pid == 0) return;
  attempt.spawning = 0;
  // ECHILD: somebody in this process ignores SIGCHLD; then only the state can tell.
  if (pid > 0 && status == 0) return;
  LoadState(attempt);
  if (attempt.state) return;
  const auto log = ReadWholeFile(attempt.folder.shim_log());
  FailMake(attempt, "the shim did not start (" + DescribeEnd(0, status).text +
                        "): " + (log.ok() ? *log : log.error().message));
}

/// True when the shim wrote a newer state than the one known.
bool Processes::Impl::LoadState(Attempt& attempt) {
  struct stat status{};
  if (stat((attempt.folder.path() / "state.json").c_str(), &status) != 0) return false;
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
    exited.ranks.push_back({.exit = {.rank = end.rank, .code = end.code, .text = end.text},
                            .out_of_memory = end.out_of_memory});
  }
  attempt.all_told = state.all_ended;
  inputs.emplace_back(std::move(exited));
}

/// Is the shim gone although ranks were left?
void Processes::Impl::CheckShim(Attempt& attempt) {
  const AttemptEpoch epoch = attempt.prepare.epoch;
  if (attempt.over_told || attempt.spawning != 0 || kills.contains(epoch)) return;
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

void Processes::Impl::SendStart(Attempt& attempt, MonotonicTime now) {
  if (!attempt.start || !attempt.state || attempt.state->phase != ShimPhase::kPrepared) return;
  if (attempt.start_sent != MonotonicTime{} && now - attempt.start_sent < kStartEvery) return;
  attempt.start_sent = now;
  const auto sent =
      SendUnix(attempt.folder.agent_socket(options.home_id), wire::Encode(*attempt.start));
  if (!sent.ok()) LogWarning("agent", "order to start: " + sent.error().message);
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
  const std::int64_t ticks = table[attempt.prepare.epoch].cpu_ticks;
  if (bytes != std::exchange(attempt.spool_bytes, bytes) ||
      ticks != std::exchange(attempt.cpu_ticks, ticks)) {
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
                      .ranks = SampleRanks(all->second, *attempt.state, prepare.memory_bytes)});
}

void Processes::Impl::Observe(Attempt& attempt) {
  ReapSpawning(attempt);
  LoadState(attempt);
  TellState(attempt);
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

// --- killing ----------------------------------------------------------------------------------------

void Processes::Impl::KillSome(MonotonicTime now) {
  if (kills.empty() || now < scan_at) return;
  // At once and again soon; what still lives after that is not waited for with a busy CPU.
  scan_at = now + scan_every;
  scan_every = std::min<std::chrono::milliseconds>(scan_every * 2, kScanMost);
  if (!Scan()) return;
  std::vector<AttemptEpoch> empty;
  for (auto& [epoch, kill] : kills) {
    const auto found = table.find(epoch);
    if (found == table.end()) {
      empty.push_back(epoch);
      continue;
    }
    KillCgroups(FolderOf(epoch).ReadCgroups());
    // The shim last: while it lives it adopts what the others orphan, also what has no mark.
    const Attempt* attempt = FindAttempt(epoch);
    const ProcessId shim =
        attempt != nullptr && attempt->state ? attempt->state->shim : ProcessId();
    const auto& all = found->second.processes;
    for (const auto& process : all) {
      if (process != shim || all.size() == 1) SendSignal(process, SIGKILL);
    }
    if (!kill.IsLate(now)) continue;
    LogWarning("agent", "attempt " + std::to_string(epoch.value) + ": " +
                            std::to_string(all.size()) + " processes do not die, first pid " +
                            std::to_string(all.front().pid) + "; its slots stay taken");
  }
  for (const AttemptEpoch epoch : empty) TellEmpty(epoch, now);
}

/// True when the attempt's control groups hold nothing and are deleted; else what they hold is killed. With
/// its environment wiped after the shim had died, a process is found here alone.
bool Processes::Impl::EmptyCgroups(AttemptEpoch epoch) const {
  const auto groups = FolderOf(epoch).ReadCgroups();
  bool empty = true;
  for (const int pid : ProcessesOfCgroups(groups)) {
    const auto process = IdentifyProcess(pid);
    empty = empty && process.ok() && process->pid == 0;
    if (process.ok()) SendSignal(*process, SIGKILL);
  }
  if (!empty) return false;
  const Status removed = RemoveCgroups(groups);
  if (!removed.ok()) LogWarning("agent", removed.error().message);
  return true;
}

void Processes::Impl::TellEmpty(AttemptEpoch epoch, MonotonicTime now) {
  if (!EmptyCgroups(epoch)) return;
  agent::SlotEmpty empty{.epoch = epoch};
  if (Attempt* attempt = FindAttempt(epoch)) {
    Observe(*attempt);  // what the shim wrote last comes before
    const auto records_end = WholeLineBytes(attempt->folder.records());
    if (!records_end.ok()) {  // what is not known to be read must not be forgotten
      if (kills[epoch].IsLate(now))
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
    std::error_code ignored;
    std::filesystem::remove_all(attempt->folder.Scratch(options.home_id), ignored);
    attempt->over_told = true;
  }
  kills.erase(epoch);
  inputs.emplace_back(std::move(empty));
}

// --- the object -------------------------------------------------------------------------------------

Processes::Processes(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Processes::~Processes() = default;

Result<std::unique_ptr<Processes>> Processes::Open(ProcessesOptions options) {
  std::error_code error;
  std::filesystem::create_directories(options.attempts_dir.parent_path(), error);
  if (mkdir(options.attempts_dir.c_str(), 0700) != 0 && errno != EEXIST)
    return IoError("make " + options.attempts_dir.string(), errno);
  auto impl = std::make_unique<Impl>(std::move(options));
  if (!impl->options.cgroup_root.empty()) {
    const auto own = ReadWholeFile("/proc/self/cgroup");
    impl->cgroups = Cgroups::Find(impl->options.cgroup_root, own.ok() ? *own : "");
    if (!impl->cgroups.limits_memory())
      LogInfo("agent", "memory limits are watched, not enforced: " + impl->cgroups.why_not());
  }
  impl->watch_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
  if (impl->watch_fd < 0) return IoError("inotify", errno);
  MUSTER_ASSIGN_OR_RETURN(const ProcessId self, IdentifyProcess(getpid()));
  if (!SendSignal(self, 0)) return Unsupported("the kernel has no pidfds (Linux 5.3) or no /proc");
  return std::unique_ptr<Processes>(new Processes(std::move(impl)));
}

agent::FoundAtStart Processes::Find() {
  agent::FoundAtStart found;
  std::error_code error;
  for (const auto& entry :
       std::filesystem::directory_iterator(impl_->options.attempts_dir, error)) {
    const AttemptEpoch epoch = EpochOfFolder(entry.path());
    AttemptFolder folder(entry.path());
    auto prepare = folder.ReadPrepare();
    if (!prepare.ok() && prepare.error().kind == ErrorKind::kNotFound) {
      LogWarning("agent", "deleting " + entry.path().string() + ": no attempt that was promised");
      std::filesystem::remove_all(entry.path(), error);
      continue;
    }
    if (epoch.value == 0 || !prepare.ok()) {
      // Its spool may hold what nobody else has. Its slots are given to others, so its processes go.
      LogError("agent", "leaving " + entry.path().string() + " for a person to look at: " +
                            (prepare.ok() ? "its name is no epoch" : prepare.error().message));
      if (epoch.value != 0) impl_->kills.try_emplace(epoch);
      continue;
    }
    Attempt& attempt = impl_->attempts.emplace(epoch, folder).first->second;
    attempt.prepare = std::move(prepare).value();
    impl_->Watch(folder);
    impl_->LoadState(attempt);
    agent::FoundAttempt known{.prepare = attempt.prepare};
    if (attempt.state) {
      const ShimState& state = *attempt.state;
      known.phase = state.phase == ShimPhase::kPrepared  ? wire::AttemptPhase::kPrepared
                    : state.all_ended                    ? wire::AttemptPhase::kExited
                    : state.phase == ShimPhase::kRunning ? wire::AttemptPhase::kRunning
                                                         : wire::AttemptPhase::kPreparing;
      known.address = impl_->AddressOf(state);
      known.port = state.port;
      attempt.ready_told = known.phase != wire::AttemptPhase::kPreparing;
      attempt.started_told = state.phase == ShimPhase::kRunning;
    }
    if (const auto note = folder.ReadEndNote(); note.ok()) {
      known.end_cause = note->cause;
      known.end_message = note->message;
    }
    found.attempts.push_back(std::move(known));
  }
  return found;
}

void Processes::Apply(const agent::Effect& effect) {
  std::visit([this](const auto& each) { impl_->On(each); }, effect);
}

std::vector<agent::Input> Processes::Poll(MonotonicTime now) {
  std::array<char, 4096> ignored;
  while (read(impl_->watch_fd, ignored.data(), ignored.size()) > 0) {
  }
  const bool look_for_activity = now >= impl_->activity_at;
  if (look_for_activity) {
    impl_->activity_at = now + kActivityEvery;
    const bool wanted = std::ranges::any_of(impl_->attempts, [](const auto& entry) {
      const wire::Prepare& prepare = entry.second.prepare;
      return prepare.silence_ms > 0 || prepare.hang_ms > 0 || prepare.memory_bytes > 0;
    });
    if (wanted) impl_->Scan();
  }
  for (auto& [epoch, attempt] : impl_->attempts) {
    impl_->Observe(attempt);
    impl_->CheckShim(attempt);
    impl_->SendStart(attempt, now);
    impl_->ReadSpools(attempt);
    impl_->ReapInspection(attempt, now);
    if (!look_for_activity || impl_->scan_failed) continue;
    impl_->CheckActivity(attempt);
    impl_->SampleAttempt(attempt);
  }
  impl_->KillSome(now);
  std::erase_if(impl_->children, [](int pid) { return waitpid(pid, nullptr, WNOHANG) != 0; });
  return std::exchange(impl_->inputs, {});
}

bool Processes::hurried() const { return !impl_->kills.empty(); }

int Processes::fd() const { return impl_->watch_fd; }

}  // namespace muster::cluster::local
