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

/// Waits for the child; what is sent to this process goes on to it.
int WaitAndForward(const ProcessId& child, const sigset_t& signals) {
  while (true) {
    int status = 0;
    if (waitpid(child.pid, &status, WNOHANG) == child.pid) return status;
    siginfo_t info{};
    const int number = sigwaitinfo(&signals, &info);
    if (number > 0 && number != SIGCHLD) SendSignal(child, number);
  }
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
  if (args.size() < 3 || args[1] != "--") {
    LogError("rank", "usage: muster rank ATTEMPT_DIR -- COMMAND...");
    return 2;
  }
  const char* home_id = getenv("MUSTER_HOME_ID");
  const AttemptFolder folder(args[0], home_id == nullptr ? "" : home_id);
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
  const int rank = prepare->first_rank + (place ? static_cast<int>(place->rank) : 0);
  sigset_t signals;
  sigemptyset(&signals);
  for (const int number : {SIGCHLD, SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGCONT})
    sigaddset(&signals, number);
  sigprocmask(SIG_BLOCK, &signals, nullptr);

  SpawnRequest request{.command = {args.begin() + 2, args.end()},
                       .environment = own,
                       .out = folder.output(rank, "out"),
                       .err = folder.output(rank, "err"),
                       .die_with_parent = true};
  AddRank(request.environment, *prepare, rank);
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
  const int status = WaitAndForward({.pid = *pid, .start_ticks = child.start_ticks}, signals);
  noted = folder.WriteRankEnd(DescribeEnd(rank, status));
  if (!noted.ok()) LogError("rank", noted.error().message);
  return EndLike(status);
}

}  // namespace muster::cluster::local
