#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>

#include "cluster/local/attempt_folder.h"
#include "cluster/local/contract.h"
#include "cluster/local/shim.h"
#include "cluster/local/spawn.h"
#include "cluster/rank_environment.h"
#include "runtime/base/log.h"

extern char** environ;

// Why a parent that waits and not a plain exec: mpirun reports only the first failure, as prose. Open MPI
// does not mind (a rank is known by its environment, not by its pid), and the child stays in the process
// group that mpirun signals. Should this process be killed, the child dies with it.

namespace muster::cluster::local {
namespace {

Environment OwnEnvironment() {
  Environment all;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text = *entry;
    const std::size_t equals = text.find('=');
    if (equals != std::string_view::npos)
      all.emplace(text.substr(0, equals), text.substr(equals + 1));
  }
  return all;
}

struct Ended {
  int status = 0;     ///< as wait(2) has it
  bool told = false;  ///< SIGTERM had come here: from mpirun or its daemon, who end the whole group
};

/// Waits for the child; what is sent to this process goes on to it.
Ended WaitAndForward(const ProcessId& child, const sigset_t& signals) {
  Ended ended;
  while (waitpid(child.pid, &ended.status, WNOHANG) != child.pid) {
    siginfo_t info{};
    const int number = sigwaitinfo(&signals, &info);
    if (number > 0 && number != SIGCHLD) SendSignal(child, number);
    ended.told = ended.told || number == SIGTERM;
  }
  sigset_t pending;
  sigpending(&pending);
  ended.told = ended.told || sigismember(&pending, SIGTERM) == 1;
  return ended;
}

/// What mpirun has given to every rank alike, as it is for this one.
void MakeOwn(Environment& environment, const AttemptFolder& folder, const wire::Prepare& prepare,
             int rank) {
  const auto address = environment.find(kNodeAddress);
  const auto settings =
      MpiSettingsOfNode(folder.scratch(), address == environment.end() ? "" : address->second);
  for (const auto& [name, value] : settings) {
    if (!prepare.env.contains(name)) environment[name] = value;
  }
  // The first node of the gang may see another folder (checkpoint_push.h).
  std::error_code error;
  if (!prepare.env.contains("MUSTER_CHECKPOINT_DIR"))
    environment["MUSTER_CHECKPOINT_DIR"] = std::filesystem::exists(folder.checkpoints(), error)
                                               ? folder.checkpoints().string()
                                               : prepare.checkpoint_dir;
  environment.erase(kAttemptDir);
  environment.erase(kNodeAddress);
  AddRank(environment, prepare, rank);
}

int EndLike(int status) {
  if (WIFEXITED(status)) return WEXITSTATUS(status);
  const rlimit no_core{0, 0};  // the child's core, if any, is the one of interest
  setrlimit(RLIMIT_CORE, &no_core);
  const int number = WTERMSIG(status);
  signal(number, SIG_DFL);
  sigset_t mask;
  sigemptyset(&mask);
  sigaddset(&mask, number);
  sigprocmask(SIG_UNBLOCK, &mask, nullptr);
  raise(number);
  return 128 + number;
}

}  // namespace

int RankMain(const std::vector<std::string>& args) {
  const char* path = getenv(kAttemptDir);
  const char* home_id = getenv("MUSTER_HOME_ID");
  if (!args.empty() || path == nullptr || home_id == nullptr) {
    LogError("rank", "usage: muster rank, by the mpirun of an attempt");
    return 2;
  }
  const AttemptFolder folder(path, home_id);
  const auto prepare = folder.ReadPrepare();
  if (!prepare.ok()) {
    LogError("rank", prepare.error().message);
    return 126;
  }
  const Environment own = OwnEnvironment();
  const auto place = ReadRankEnvironment([&](const char* name) {
    const auto found = own.find(name);
    return found == own.end() ? "" : found->second;
  });
  const int rank = place ? static_cast<int>(place->rank) : 0;
  if (rank < prepare->first_rank || rank >= prepare->first_rank + prepare->ranks) {
    LogError("rank", "mpirun starts rank " + std::to_string(rank) + " where ranks " +
                         std::to_string(prepare->first_rank) + " to " +
                         std::to_string(prepare->first_rank + prepare->ranks - 1) + " belong");
    return 126;
  }
  sigset_t signals;
  sigemptyset(&signals);
  for (const int number : {SIGCHLD, SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGCONT})
    sigaddset(&signals, number);
  sigprocmask(SIG_BLOCK, &signals, nullptr);

  SpawnRequest request{
      .command = prepare->command,
      .environment = own,
      .working_dir = prepare->working_dir.empty() ? folder.work().string() : prepare->working_dir,
      .out = folder.output(rank, "out"),
      .err = folder.output(rank, "err"),
      .die_with_parent = true};
  MakeOwn(request.environment, folder, *prepare, rank);
  BindRank(request, folder.ReadBinding(), rank - prepare->first_rank);
  const auto pid = Spawn(request);
  if (!pid.ok()) {
    const Status written =
        folder.WriteRankEnd({.rank = rank, .code = 127, .text = pid.error().message});
    LogError("rank", pid.error().message);
    return written.ok() ? 127 : 126;
  }
  const auto identified = IdentifyProcess(*pid);
  if (!identified.ok()) LogError("rank", identified.error().message);
  const ProcessId child = identified.ok() ? *identified : ProcessId();
  Status noted = folder.WriteRankProcess({.rank = rank, .process = child});
  if (!noted.ok()) LogError("rank", noted.error().message);
  const Ended ended = WaitAndForward({.pid = *pid, .start_ticks = child.start_ticks}, signals);
  RankEnd end = DescribeEnd(rank, ended.status);
  end.told = ended.told;
  noted = folder.WriteRankEnd(end);
  if (!noted.ok()) LogError("rank", noted.error().message);
  return EndLike(ended.status);
}

}  // namespace muster::cluster::local
