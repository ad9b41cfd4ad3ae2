#include <sys/wait.h>

#include <csignal>

#include "cluster/local/processes_impl.h"
#include "cluster/local/spawn.h"
#include "runtime/base/file.h"

namespace muster::cluster::local {
namespace {

using namespace std::chrono_literals;

constexpr auto kInspectMost = 14s;  // its own bounds are shorter

}  // namespace

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

}  // namespace muster::cluster::local
