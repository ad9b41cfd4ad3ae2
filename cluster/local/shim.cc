#include "cluster/local/shim.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/inotify.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstdlib>

#include "cluster/local/cgroups.h"
#include "cluster/local/checkpoint_copies.h"
#include "cluster/local/contract.h"
#include "cluster/local/lease.h"
#include "cluster/local/shim_impl.h"
#include "runtime/agent/exit_cause.h"
#include "runtime/base/file.h"
#include "runtime/base/log.h"
#include "runtime/wire/codec.h"

namespace muster::cluster::local {
namespace {

constexpr int kIdlePollMs = 5000;  // between looks whether the folder is still there
constexpr int kRetryPollMs = 200;  // while a full disk holds something back

/// How many processes the kernel has killed for memory since boot (proc(5), vmstat).
std::int64_t OomKills() {
  const auto text = ReadWholeFile("/proc/vmstat");
  if (!text.ok()) return 0;
  constexpr std::string_view kName = "\noom_kill ";
  const std::size_t at = text->find(kName);
  std::int64_t count = 0;
  if (at != std::string::npos) {
    const char* begin = text->data() + at + kName.size();
    std::from_chars(begin, text->data() + text->size(), count);
  }
  return count;
}

/// Binds a TCP port and does not listen: with SO_REUSEADDR on both sides rank 0 can bind and listen on it
/// while this socket keeps everybody else from being given it (Linux, inet_csk_get_port).
Result<int> HoldPort(int& port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  const int on = 1;
  sockaddr_in address{.sin_family = AF_INET};
  socklen_t size = sizeof address;
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
      bind(fd, generic, size) != 0 || getsockname(fd, generic, &size) != 0) {
    return IoError("bind the rendezvous port", errno);
  }
  port = ntohs(address.sin_port);
  return fd;
}

}  // namespace

Status Shim::Prepare() {
  MUSTER_ASSIGN_OR_RETURN(prepare_, folder_.ReadPrepare());
  MUSTER_RETURN_IF_ERROR(
      OverwriteFile(folder_.params(), prepare_.params_json.empty() ? "{}" : prepare_.params_json));
  std::error_code error;
  const bool mpi = prepare_.launcher == wire::LauncherKind::kMpi;
  if (mpi || folder_.control_socket().parent_path() == folder_.scratch()) {
    MUSTER_RETURN_IF_ERROR(MakePrivate(folder_.scratch()));
  }
  MUSTER_RETURN_IF_ERROR(PrepareCheckpoints());
  if (prepare_.working_dir.empty()) {
    prepare_.working_dir = folder_.work().string();
    std::filesystem::create_directory(prepare_.working_dir, error);
    if (error) return IoError("make " + prepare_.working_dir, error.value());
  }

  sigset_t children;
  sigemptyset(&children);
  sigaddset(&children, SIGCHLD);
  sigprocmask(SIG_BLOCK, &children, nullptr);
  children_fd_ = signalfd(-1, &children, SFD_CLOEXEC | SFD_NONBLOCK);
  folder_fd_ = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
  if (children_fd_ < 0 || folder_fd_ < 0 ||
      inotify_add_watch(folder_fd_, folder_.path().c_str(), IN_MOVED_TO | IN_DELETE_SELF) < 0) {
    return IoError("signalfd or inotify", errno);
  }
  MUSTER_RETURN_IF_ERROR(records_.Listen(folder_.control_socket(), folder_.records()));
  MUSTER_ASSIGN_OR_RETURN(agent_fd_, ListenUnix(folder_.agent_socket()));
  MUSTER_ASSIGN_OR_RETURN(port_fd_, HoldPort(state_.port));
  if (IsPart() && prepare_.node_rank > 0) {  // the ranks meet at the first node's port
    MUSTER_RETURN_IF_ERROR(starts_.Listen(port_fd_, prepare_.start_secret));
  }
  state_.address = "127.0.0.1";
  MUSTER_ASSIGN_OR_RETURN(state_.shim, IdentifyProcess(getpid()));
  oom_kills_ = OomKills();
  return folder_.WriteState(state_);
}

Status Shim::PrepareCheckpoints() {
  if (prepare_.checkpoint_dir.empty()) return Ok();
  if (!SharesCheckpoints(prepare_)) {
    MUSTER_RETURN_IF_ERROR(PullCheckpoints(folder_, home_id_));
    records_.Push(CheckpointPush(folder_, home_id_, prepare_));
    prepare_.checkpoint_dir = folder_.checkpoints().string();
    return Ok();
  }
  const std::filesystem::path folder = prepare_.checkpoint_dir;
  MUSTER_RETURN_IF_ERROR(MakeFolders(folder.parent_path()));
  // Its own name is for whoever saves there to sync: a start is to cost little.
  std::error_code error;
  std::filesystem::create_directory(folder, error);
  if (error) return IoError("make " + prepare_.checkpoint_dir, error.value());
  records_.Keep(CheckpointKeeper(prepare_));
  return CopyStart(prepare_);
}

/// The server has what was committed. Here and not when the attempt is forgotten: the agent is not to wait for a disk.
void Shim::DropCheckpoints() const {
  std::error_code ignored;
  for (const auto& folder : {folder_.checkpoints(), folder_.arriving()})
    std::filesystem::remove_all(folder, ignored);
}

void Shim::Fail(const Error& error) {
  state_.phase = ShimPhase::kFailed;
  state_.message = error.message;
  changed_ = true;
  SaveIfChanged();
}

void Shim::Loop() {
  while (true) {
    Poll();
    // An error (a file server that is away, ...) does not say that the folder is gone.
    std::error_code error;
    if (!std::filesystem::exists(folder_.path(), error) && !error) {
      KillAll();
      (void)RemoveCgroups(groups_);  // an agent that did so has left none
      if (folder_.run() != folder_.path()) {
        std::filesystem::remove_all(folder_.run(), error);
        std::filesystem::remove(folder_.run().parent_path(), error);  // if it was the last one
      }
      return;
    }
    // Records first: what a rank wrote before it ended is in the spool before its end is known.
    records_.Serve();
    KillIfOrphaned();
    ServeAgent();
    StartDaemon();
    Reap();
    CollectMpi();
    SeeIfLetGo();
    TellIfNobodyDid();
    SeeIfEmpty();
    if (records_.pusher() != state_.pusher) {
      state_.pusher = records_.pusher();
      changed_ = true;
    }
    SaveIfChanged();
    if (state_.empty && !changed_) return;
  }
}

void Shim::Poll() {
  std::vector<pollfd> items{{.fd = children_fd_, .events = POLLIN},
                            {.fd = folder_fd_, .events = POLLIN},
                            {.fd = agent_fd_, .events = POLLIN}};
  for (const auto& [fd, text] : agent_connections_) items.push_back({.fd = fd, .events = POLLIN});
  records_.AddTo(items);
  starts_.AddTo(items);
  int wait_ms = changed_ || records_.stalled() ? kRetryPollMs : kIdlePollMs;
  const auto not_beyond = [&wait_ms, now = SystemClock().Now()](MonotonicTime time) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(time - now);
    wait_ms = static_cast<int>(std::clamp<std::int64_t>(left.count(), 0, wait_ms));
  };
  if (started_ && lease_ && !orphaned_) not_beyond(*lease_);
  if (nobody_told_) not_beyond(*nobody_told_);
  poll(items.data(), items.size(), wait_ms);
  std::array<char, 4096> ignored;
  while (read(children_fd_, ignored.data(), ignored.size()) > 0) {
  }
  while (read(folder_fd_, ignored.data(), ignored.size()) > 0) {
  }
}

void Shim::ServeAgent() {
  for (int fd = 0; (fd = accept4(agent_fd_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0;)
    agent_connections_.emplace(fd, "");
  for (auto it = agent_connections_.begin(); it != agent_connections_.end();) {
    auto& [fd, text] = *it;
    std::array<char, 4096> buffer;
    const ssize_t got = recv(fd, buffer.data(), buffer.size(), 0);
    if (got > 0) text.append(buffer.data(), static_cast<std::size_t>(got));
    if (got > 0 || (got < 0 && (errno == EAGAIN || errno == EINTR))) {
      ++it;
      continue;
    }
    const std::string line = std::move(text);
    close(fd);
    it = agent_connections_.erase(it);
    if (!line.empty()) Obey(line);
  }
}

void Shim::Obey(const std::string& line) {
  const auto order = wire::Decode<Order>(line);
  if (!order.ok()) {
    LogError("shim", "order of the agent not understood: " + order.error().message);
  } else if (order->order == "start") {
    Start(*order);
  } else if (order->order == "signal") {
    SignalRanks(order->signal);
  }
}

void Shim::Start(const Order& order) {
  if (std::exchange(started_, true)) return;
  groups_ = folder_.ReadCgroups();
  const wire::Go go{.epoch = prepare_.epoch,
                    .master_address = order.master_address,
                    .master_port = order.master_port};
  const auto environment = GangEnvironment(CleanEnvironment(), folder_, home_id_, prepare_, go);
  const Status status = prepare_.launcher == wire::LauncherKind::kMpi
                            ? StartMpi(environment, order.parts)
                            : StartLocal(environment);
  if (!status.ok()) {
    KillAll();
    Fail(status.error());
  }
  changed_ = true;
}

Status Shim::StartLocal(const Environment& environment) {
  const auto binding = folder_.ReadBinding();
  for (const int rank : RanksOf(prepare_)) {
    SpawnRequest request{.command = prepare_.command,
                         .environment = environment,
                         .working_dir = prepare_.working_dir,
                         .out = folder_.output(rank, "out"),
                         .err = folder_.output(rank, "err"),
                         .own_group = true,
                         .cgroups = groups_};
    AddRank(request.environment, prepare_, rank);
    BindRank(request, binding, rank - prepare_.first_rank);
    auto pid = Spawn(request);
    if (!pid.ok()) return pid.error().With("rank " + std::to_string(rank));
    MUSTER_ASSIGN_OR_RETURN(ProcessId process, IdentifyProcess(*pid));
    process.pid = *pid;  // of one that has ended already as well: Reap looks for it
    state_.ranks.push_back({.rank = rank, .process = process});
  }
  state_.phase = ShimPhase::kRunning;
  return Ok();
}

void Shim::SignalRanks(int signal) {
  if (signal == SIGTERM) records_.Command("stop");
  if (signal == SIGUSR2) records_.Command("checkpoint");
  for (const auto& rank : state_.ranks) {
    if (!HasEnded(rank.rank)) SendSignal(rank.process, signal);
  }
}

void Shim::Reap() {
  siginfo_t child{};
  for (; waitid(P_ALL, 0, &child, WEXITED | WNOHANG | WNOWAIT) == 0 && child.si_pid != 0;
       child = {}) {
    const int pid = child.si_pid;
    const bool rank = std::ranges::any_of(
        state_.ranks, [&](const RankProcess& one) { return one.process.pid == pid; });
    if (WaitsForPush(rank && child.si_code == CLD_EXITED ? child.si_status : -1)) return;
    int status = 0;
    if (waitpid(pid, &status, WNOHANG) != pid) continue;  // a push, which is taken note of
    if (pid == launcher_) {
      LauncherEnded(status);
      continue;
    }
    if (prepare_.launcher == wire::LauncherKind::kMpi) continue;  // an adopted orphan
    for (const auto& rank : state_.ranks) {
      if (rank.process.pid == pid && !HasEnded(rank.rank)) AddEnd(DescribeEnd(rank.rank, status));
    }
  }
}

/// Takes what ranks have written so far. Once the agent knows how they ended it kills what is left: that one did with
/// `code` is told when nothing of theirs is on its way.
bool Shim::WaitsForPush(int code) {
  records_.Serve();
  if (records_.pushing()) return true;
  // Of a gang on several nodes the first one has rank 0, which saves: the others' folders may be behind it.
  const bool last =
      prepare_.node_rank == 0 && static_cast<int>(state_.ends.size()) + 1 >= prepare_.ranks;
  const bool well = code == 0 || code == agent::kResumeCode;
  return last && well && !records_.BroughtAll();
}

void Shim::AddEnd(RankEnd end) {
  if (end.code == 128 + SIGKILL) {
    const std::int64_t kills = OomKills();
    end.out_of_memory = kills > std::exchange(oom_kills_, kills);
    if (end.out_of_memory) end.text += ", by the kernel for lack of memory";
  }
  if (IsNoNews(end)) return;
  state_.ends.push_back(std::move(end));
  // mpirun takes the end of its daemon for a failure of the gang, which may go on elsewhere.
  if (AllHaveEnded() && !(IsPart() && launcher_ != 0)) state_.all_ended = true;
  changed_ = true;
}

/// Whatever descends from the ranks is a child of the shim in the end, which adopts what they orphan: without a
/// child nothing is left of the attempt, and nothing can come.
void Shim::SeeIfEmpty() {
  siginfo_t child{};
  if (!state_.all_ended || state_.empty) return;
  if (waitid(P_ALL, 0, &child, WEXITED | WNOHANG | WNOWAIT) == 0 || errno != ECHILD) return;
  records_.Serve();  // what the last of them wrote
  if (records_.stalled()) return;
  DropCheckpoints();
  state_.empty = true;
  changed_ = true;
}

bool Shim::HasEnded(int rank) const {
  return std::ranges::any_of(state_.ends, [&](const RankEnd& end) { return end.rank == rank; }) ||
         std::ranges::count(told_, rank) > 0;
}

void Shim::SaveIfChanged() {
  if (!changed_) return;
  // Of what ended, and of what that had waited for: as orphans become children of the shim, of everything in the end.
  rusage used{};
  getrusage(RUSAGE_CHILDREN, &used);
  const auto ms = [](const timeval& time) { return time.tv_sec * 1'000 + time.tv_usec / 1'000; };
  state_.cpu_ms = ms(used.ru_utime) + ms(used.ru_stime);
  state_.memory_bytes = used.ru_maxrss * 1'024;
  const Status status = folder_.WriteState(state_);
  changed_ = !status.ok();
  if (changed_) LogError("shim", "the state waits: " + status.error().message);
}

void Shim::KillAll() const {
  for (int pass = 0; pass < 100; ++pass) {
    if (const auto all = ScanAttempts(home_id_); all.ok()) {
      const auto ours = all->find(prepare_.epoch);
      if (ours == all->end()) return;
      for (const auto& process : ours->second.processes) SendSignal(process, SIGKILL);
    }
    poll(nullptr, 0, 10);
  }
}

/// The agent keeps the lease, and ends the ranks itself when the coordinator is gone. When the agent is gone
/// as well, the coordinator gives the trial to another node: the ranks must not outlive that.
void Shim::KillIfOrphaned() {
  if (!started_ || orphaned_ || state_.all_ended) return;
  lease_ = ReadLease(folder_.lease());
  if (!lease_ || SystemClock().Now() < *lease_) return;
  orphaned_ = true;
  const std::string why = "no agent renewed the node's lease in time";
  LogWarning("shim", why + "; the ranks are killed");
  // First, so that an agent that comes back does not take their ends for the program's.
  if (!folder_.ReadEndNote().ok()) {
    const Status noted = folder_.WriteEndNote({.cause = wire::ExitCause::kNode, .message = why});
    if (!noted.ok()) LogError("shim", noted.error().message);
  }
  KillAll();
}

int ShimMain(const std::vector<std::string>& args) {
  const char* home_id = getenv("MUSTER_HOME_ID");  // the mark that the agent gave this process
  if (args.size() != 1 || home_id == nullptr) {
    LogError("shim", "usage: muster shim ATTEMPT_DIR, with MUSTER_HOME_ID set");
    return 2;
  }
  close_range(3, ~0U, 0);  // the server's files and sockets are not ours to keep open
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  for (const int number : {SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGPIPE, SIGUSR1, SIGUSR2})
    signal(number, SIG_IGN);
  Shim shim(args[0], home_id);
  if (const Status status = shim.Prepare(); !status.ok()) {
    shim.Fail(status.error());
    LogError("shim", status.error().message);
    return 1;
  }
  shim.Loop();
  return 0;
}

}  // namespace muster::cluster::local
