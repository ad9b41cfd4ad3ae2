#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cerrno>
#include <utility>

#include "cluster/local/contract.h"
#include "cluster/local/interfaces.h"
#include "cluster/local/processes_impl.h"
#include "cluster/local/record_server.h"
#include "cluster/local/spawn.h"
#include "runtime/base/file.h"
#include "runtime/base/log.h"
#include "runtime/wire/codec.h"

namespace muster::cluster::local {
namespace {

using namespace std::chrono_literals;

constexpr auto kStartEvery = 200ms;  // between orders to start that were not followed yet
/// Processes and threads. Loaders and thread pools of a large machine fit; a program that forks without end does not.
constexpr std::int64_t kTasksARank = 4096;

GroupLimits LimitsOf(const wire::Prepare& prepare) {
  return {.memory_bytes = prepare.memory_bytes * prepare.ranks,
          .cpus = static_cast<std::int64_t>(prepare.cpus_per_rank) * prepare.ranks,
          .tasks = kTasksARank * prepare.ranks};
}

/// Tells the ranks of a gang on several nodes the interface of `address`, at which the others reach this node. What
/// `site` (this agent's environment) or the trial says goes before.
void AddNetwork(wire::Prepare& prepare, const std::string& address, const Environment& site) {
  if (prepare.world_size <= prepare.ranks || address.empty()) return;
  const auto interfaces = ListInterfaces();
  if (!interfaces.ok()) return LogWarning("agent", interfaces.error().message);
  const auto toward = InterfaceToward(*interfaces, address);
  if (!toward) {
    return LogWarning("agent", "no network interface here has the address " + address +
                                   "; ranks choose one themselves");
  }
  for (const auto& [name, value] : NetworkSettings(*toward)) {
    if (!site.contains(name)) prepare.env.emplace(name, value);
  }
}

}  // namespace

void Processes::Impl::On(const agent::MakeAttempt& effect) {
  const AttemptEpoch epoch = effect.prepare.epoch;
  if (Attempt* known = FindAttempt(epoch)) {
    known->ready_told = false;  // asked again: answered again
    known->changed = true;
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
  AddNetwork(prepare, options.address, environment);
  for (const auto& [name, value] : prepare.env) environment[name] = value;
  MUSTER_ASSIGN_OR_RETURN(prepare.command[0], FindProgram(prepare.command[0], options.bin_dir,
                                                          prepare.working_dir, environment));
  if (prepare.launcher == wire::LauncherKind::kMpi) {
    const auto launcher =
        FindProgram(prepare.node_rank == 0 ? "mpirun" : "orted", {}, {}, environment);
    if (!launcher.ok()) {
      return Unavailable("Open MPI is needed to start this trial: " + launcher.error().message);
    }
  }
  std::error_code error;
  if (!prepare.working_dir.empty() && !std::filesystem::is_directory(prepare.working_dir, error))
    return NotFound("working directory " + prepare.working_dir + " does not exist on this node");
  MUSTER_RETURN_IF_ERROR(spares.Make(attempt.folder, prepare));
  MUSTER_RETURN_IF_ERROR(attempt.folder.MakeRun());
  const auto groups = cgroups.Make(
      std::string(kGroupPrefix) + options.home_id + "-" + std::to_string(prepare.epoch.value),
      LimitsOf(prepare));
  if (!groups.empty()) MUSTER_RETURN_IF_ERROR(attempt.folder.WriteCgroups(groups));
  BindRanks(attempt);
  Watch(attempt);
  return SpawnShim(attempt);
}

Status Processes::Impl::SpawnShim(Attempt& attempt) {
  const AttemptFolder& folder = attempt.folder;
  Environment environment = CleanEnvironment();
  environment["MUSTER_HOME_ID"] = options.home_id;
  environment["MUSTER_ATTEMPT"] = std::to_string(attempt.prepare.epoch.value);
  MUSTER_ASSIGN_OR_RETURN(
      const int pid, Spawn({.command = {options.self_executable.string(), "shim", folder.path()},
                            .environment = std::move(environment),
                            .working_dir = "/",
                            .out = folder.shim_log(),
                            .err = folder.shim_log(),
                            .detached = true}));
  MUSTER_ASSIGN_OR_RETURN(attempt.spawned, IdentifyProcess(pid));
  return Ok();
}

/// Says that something changed; what it is is read from the files.
void Processes::Impl::Watch(Attempt& attempt) {
  std::vector<std::filesystem::path> folders{attempt.folder.path()};
  if (attempt.folder.run() != attempt.folder.path()) folders.push_back(attempt.folder.run());
  for (const auto& folder : folders) {
    const int watch = inotify_add_watch(watch_fd, folder.c_str(), IN_MOVED_TO | IN_MODIFY);
    if (watch < 0) continue;  // it is looked at once a second all the same
    watched[watch] = attempt.prepare.epoch;
    attempt.watches.push_back(watch);
  }
}

void Processes::Impl::FailMake(Attempt& attempt, const std::string& message,
                               wire::ExitCause cause) {
  if (std::exchange(attempt.over_told, true)) return;
  inputs.emplace_back(
      agent::MakeFailed{.epoch = attempt.prepare.epoch, .message = message, .cause = cause});
}

/// A shim that ended before it was ready has said why in its log.
void Processes::Impl::CheckSpawned(Attempt& attempt) {
  if (attempt.state) attempt.spawned.reset();
  if (!attempt.spawned) return;
  const auto alive = IsAlive(*attempt.spawned);
  if (!alive.ok() || *alive || LoadState(attempt)) return;
  attempt.spawned.reset();
  const auto log = ReadWholeFile(attempt.folder.shim_log());
  FailMake(attempt, "the shim did not start: " + (log.ok() ? *log : log.error().message));
}

void Processes::Impl::On(const agent::StartRanks& effect) {
  Attempt* attempt = FindAttempt(effect.go.epoch);
  if (attempt == nullptr) return;
  attempt->started_told = false;
  attempt->start = Order{.order = "start",
                         .master_address = effect.go.master_address,
                         .master_port = effect.go.master_port,
                         .parts = effect.go.parts};
  attempt->start_sent = {};
  attempt->changed = true;
}

void Processes::Impl::SendStart(Attempt& attempt, MonotonicTime now) {
  if (!attempt.start || !attempt.state || attempt.state->phase != ShimPhase::kPrepared) return;
  if (attempt.start_sent != MonotonicTime{} && now - attempt.start_sent < kStartEvery) return;
  attempt.start_sent = now;
  const auto sent = SendUnix(attempt.folder.agent_socket(), wire::Encode(*attempt.start));
  if (!sent.ok()) LogWarning("agent", "order to start: " + sent.error().message);
}

void Processes::Impl::On(const agent::SignalRanks& effect) {
  Attempt* attempt = FindAttempt(effect.epoch);
  if (attempt == nullptr) return;
  const Order order{.order = "signal", .signal = effect.signal};
  const auto sent = SendUnix(attempt->folder.agent_socket(), wire::Encode(order));
  if (sent.ok() || !attempt->state) return;
  for (const auto& rank : attempt->state->ranks) SendSignal(rank.process, effect.signal);
}

}  // namespace muster::cluster::local
