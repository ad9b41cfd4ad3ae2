#include "cluster/local/processes.h"

#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <utility>

#include "cluster/local/lease.h"
#include "cluster/local/processes_impl.h"
#include "runtime/base/file.h"
#include "runtime/base/log.h"

namespace muster::cluster::local {
namespace {

using namespace std::chrono_literals;

constexpr auto kRegularEvery = 100ms;
constexpr auto kActivityEvery = 1s;
constexpr auto kGroupIsOld = 10min;

AttemptEpoch EpochOfFolder(const std::filesystem::path& folder) {
  const std::string name = folder.filename().string();
  AttemptEpoch epoch;
  const auto parsed = std::from_chars(name.data(), name.data() + name.size(), epoch.value);
  return parsed.ptr == name.data() + name.size() ? epoch : AttemptEpoch();
}

}  // namespace

Processes::Impl::~Impl() {
  if (watch_fd >= 0) close(watch_fd);
  std::error_code ignored;
  spares.Delete();
  const AttemptFolder any = FolderOf(AttemptEpoch());  // the folder of all runs, once none is left
  if (any.run() != any.path()) std::filesystem::remove(any.run().parent_path(), ignored);
}

void Processes::Impl::On(const agent::RenewLease& effect) {
  if (effect.until == lease) return;
  const Status written = WriteLease(FolderOf(AttemptEpoch()).lease(), effect.until);
  if (written.ok()) lease = effect.until;
  if (!written.ok()) LogWarning("agent", "ranks may be ended early: " + written.error().message);
}

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
    if (const std::string missing = impl->cgroups.why_not(); !missing.empty())
      LogInfo("agent", "not every limit is kept by the kernel: " + missing);
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
    if (auto known = impl_->FindIn(entry.path())) found.attempts.push_back(*std::move(known));
  }
  impl_->DeleteOldRuns();
  impl_->cgroups.DeleteEmpty(kGroupPrefix, kGroupIsOld);
  return found;
}

/// What an earlier agent left in one folder; nothing when there is nothing to go on with.
std::optional<agent::FoundAttempt> Processes::Impl::FindIn(const std::filesystem::path& path) {
  std::error_code ignored;
  const AttemptEpoch epoch = EpochOfFolder(path);
  const AttemptFolder folder(path, options.home_id);
  auto prepare = folder.ReadPrepare();
  const bool spare = SpareFolders::IsSpare(path);
  // The prepare of another one: the machine stopped before the folder's own was on the disk.
  const bool other = epoch.value != 0 && prepare.ok() && prepare->epoch != epoch;
  const bool none = !prepare.ok() && prepare.error().kind == ErrorKind::kNotFound;
  if (spare || other || none) {
    if (!spare) LogWarning("agent", "deleting " + path.string() + ": no attempt that was promised");
    std::filesystem::remove_all(path, ignored);
    return std::nullopt;
  }
  if (epoch.value == 0 || !prepare.ok()) {
    // Its spool may hold what nobody else has. Its slots are given to others, so its processes go.
    LogError("agent", "leaving " + path.string() + " for a person to look at: " +
                          (prepare.ok() ? "its name is no epoch" : prepare.error().message));
    if (epoch.value != 0) kills.try_emplace(epoch);
    return std::nullopt;
  }
  Attempt& attempt = attempts.emplace(epoch, folder).first->second;
  attempt.prepare = std::move(prepare).value();
  attempt.binding = attempt.folder.ReadBinding();
  Watch(attempt);
  return Adopt(attempt);
}

agent::FoundAttempt Processes::Impl::Adopt(Attempt& attempt) {
  agent::FoundAttempt known{.prepare = attempt.prepare};
  if (LoadState(attempt)) {
    const ShimState& state = *attempt.state;
    known.phase = state.phase == ShimPhase::kPrepared  ? wire::AttemptPhase::kPrepared
                  : state.all_ended                    ? wire::AttemptPhase::kExited
                  : state.phase == ShimPhase::kRunning ? wire::AttemptPhase::kRunning
                                                       : wire::AttemptPhase::kPreparing;
    known.address = AddressOf(state);
    known.port = state.port;
    attempt.ready_told = known.phase != wire::AttemptPhase::kPreparing;
    attempt.started_told = state.phase == ShimPhase::kRunning;
  }
  if (const auto used = attempt.folder.ReadUsed(); used.ok()) attempt.seen = *used;
  if (const auto note = attempt.folder.ReadEndNote(); note.ok()) {
    known.end_cause = note->cause;
    known.end_message = note->message;
  }
  return known;
}

/// Of attempts that an earlier agent forgot half, or whose home was deleted.
void Processes::Impl::DeleteOldRuns() {
  const AttemptFolder any = FolderOf(AttemptEpoch());
  if (any.run() == any.path()) return;
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(any.run().parent_path(), ignored)) {
    const AttemptEpoch epoch = EpochOfFolder(entry.path());
    if (attempts.contains(epoch) || kills.contains(epoch)) continue;
    std::filesystem::remove_all(entry.path(), ignored);
  }
}

void Processes::Apply(const agent::Effect& effect) {
  std::visit([this](const auto& each) { impl_->On(each); }, effect);
}

std::vector<agent::Input> Processes::Poll(MonotonicTime now) {
  impl_->ReadWatches();
  for (auto& [epoch, attempt] : impl_->attempts) {
    if (!std::exchange(attempt.changed, false)) continue;
    impl_->Observe(attempt);
    impl_->SendStart(attempt, now);
    impl_->ReadSpools(attempt);
  }
  if (now >= impl_->regular_at) impl_->LookRegularly(now);
  if (now >= impl_->activity_at) impl_->LookForActivity(now);
  impl_->KillSome(now);
  return std::exchange(impl_->inputs, {});
}

/// What no change of a file tells.
void Processes::Impl::LookRegularly(MonotonicTime now) {
  regular_at = now + kRegularEvery;
  for (auto& [epoch, attempt] : attempts) {
    CheckSpawned(attempt);
    CheckShim(attempt);
    SendStart(attempt, now);
    ReapInspection(attempt, now);
  }
  std::erase_if(children, [](int pid) { return waitpid(pid, nullptr, WNOHANG) != 0; });
}

void Processes::Impl::LookForActivity(MonotonicTime now) {
  activity_at = now + kActivityEvery;
  const bool wanted = std::ranges::any_of(attempts, [](const auto& entry) {
    const wire::Prepare& prepare = entry.second.prepare;
    return prepare.silence_ms > 0 || prepare.hang_ms > 0 || prepare.memory_bytes > 0;
  });
  const bool scanned = (wanted || strays) && Scan();
  if (wanted) LookAtGpus(now);
  for (auto& [epoch, attempt] : attempts) {
    attempt.changed = true;  // should a watch have told nothing
    if (!scanned) continue;
    CheckActivity(attempt);
    SampleAttempt(attempt);
    NoteUse(attempt);
  }
  if (scanned) SweepStrays();
}

/// For every attempt: one that asked for no GPU may use one all the same.
void Processes::Impl::LookAtGpus(MonotonicTime now) {
  if (!std::exchange(gpus_asked, true)) gpus = GpuActivity::Open(options.gpu_library);
  if (gpus) gpus->Look(now);
}

std::map<std::string, std::string> Processes::limits() const {
  const auto kept = [this](Controller controller, const char* otherwise) {
    return impl_->cgroups.keeps(controller) ? "cgroup" : otherwise;
  };
  return {{"memory", kept(Controller::kMemory, "watched")},
          {"cpu", kept(Controller::kCpu, "no")},
          {"pids", kept(Controller::kPids, "no")}};
}

bool Processes::hurried() const { return !impl_->kills.empty(); }

int Processes::fd() const { return impl_->watch_fd; }

}  // namespace muster::cluster::local
