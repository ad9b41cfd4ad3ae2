// muster run [--ranks N] [--gpu N] -- CMD...: one command as a trial; its exit code is ours.
#include <boost/json/object.hpp>
#include <chrono>
#include <filesystem>
#include <iostream>
#include <memory>
#include <thread>

#include "runtime/base/random.h"
#include "runtime/cli/context.h"
#include "runtime/cli/follow.h"
#include "runtime/cli/log_tail.h"
#include "runtime/cli/trial_path.h"
#include "runtime/wire/api.h"
#include "runtime/wire/sweep_spec.h"

namespace muster::cli {
namespace {

struct RunFlags {
  int ranks = 1, gpu = 0;
  std::string name = "run";
  std::vector<std::string> command;
};

wire::SweepSpec SpecOf(const RunFlags& flags) {
  wire::SweepSpec spec;
  spec.name = flags.name;
  spec.trial.command = flags.command;
  spec.trial.ranks = flags.ranks;
  spec.trial.resources.gpu = flags.gpu;
  spec.trial.working_dir = std::filesystem::current_path();
  spec.budget.trials = 1;
  spec.sampler = "random";
  return spec;
}

/// Copies new output of rank 0 to ours; answers whether there was any.
Result<bool> Forward(http::Client& client, const wire::TrialDetail& trial, LogTail& tail,
                     std::ostream& to) {
  MUSTER_ASSIGN_OR_RETURN(const std::string bytes, tail.Next(client, trial.attempts));
  to << bytes << std::flush;
  return !bytes.empty();
}

/// Where the trial at `path` stands, and whether more of its output may come: copies what is new.
Result<bool> Look(http::Client& client, const std::string& path, LogTail& out, LogTail& err,
                  wire::TrialSummary& summary) {
  MUSTER_ASSIGN_OR_RETURN(const auto answer, client.Json("GET", path));
  MUSTER_ASSIGN_OR_RETURN(const auto detail, wire::TrialDetailFromJson(answer));
  MUSTER_ASSIGN_OR_RETURN(const bool more_out, Forward(client, detail, out, std::cout));
  MUSTER_ASSIGN_OR_RETURN(const bool more_err, Forward(client, detail, err, std::cerr));
  summary = detail.trial;
  return more_out || more_err || !wire::IsFinal(summary.state);
}

int Run(const Context& context, const RunFlags& flags) {
  auto client = context.Connect();
  if (!client.ok()) return Fail(context, client.error());
  // An id of our own makes the submit safe to repeat.
  const std::string id = flags.name + "-" + RandomHex(4);
  auto answer =
      client->Json("POST", "/api/muster/v1/sweeps",
                   boost::json::object{
                       {"id", id}, {"spec", wire::ToJson(SpecOf(flags))}, {"user", context.user}});
  if (!answer.ok()) return Fail(context, answer.error());
  const std::string trial = *TrialPath(id + "/0");
  LogTail out(trial, 0, "out"), err(trial, 0, "err");
  auto silent_since = std::chrono::steady_clock::now();
  wire::TrialSummary summary;
  const InterruptNote interrupt;
  for (;;) {
    if (interrupt.seen()) {
      std::cerr << "muster: " << id << " is still running; muster trial logs -f " << id
                << "/0 shows its output, muster sweep cancel " << id << " ends it\n";
      return kInterrupted;
    }
    const auto more = Look(*client, trial, out, err, summary);
    if (more.ok()) {
      if (!*more) break;
      silent_since = std::chrono::steady_clock::now();
    } else if (more.error().kind != ErrorKind::kUnavailable ||
               std::chrono::steady_clock::now() - silent_since > kPatience) {
      return Fail(context, more.error());
    } else if (auto again = context.Connect(); again.ok()) {
      client = std::move(again);  // the server may come back on another port; its home knows
    }
    if (!more.ok() || !wire::IsFinal(summary.state)) {
      std::this_thread::sleep_for(std::chrono::milliseconds(200));
    }
  }
  if (summary.state == "complete") return kDone;
  std::cerr << "muster: " << summary.message << "\n";
  return summary.exit_code != 0 ? summary.exit_code : kFailed;
}

}  // namespace

void AddRun(CLI::App& app, Context& context) {
  auto* run = app.add_subcommand(
      "run", "Run one command on the cluster; its output and exit code become ours");
  auto flags = std::make_shared<RunFlags>();
  run->add_option("--ranks", flags->ranks, "Copies, with torchrun's environment each")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  run->add_option("--gpu", flags->gpu, "GPUs of each rank")->capture_default_str();
  run->add_option("--name", flags->name, "What lists show")->capture_default_str();
  run->add_option("command", flags->command, "-- CMD ARG...")->required();
  run->callback(
      [&context, flags] { context.run = [&context, flags] { return Run(context, *flags); }; });
}

}  // namespace muster::cli
