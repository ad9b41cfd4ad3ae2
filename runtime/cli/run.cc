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

/// Copies new output of rank 0 to ours; answers how much.
std::size_t Forward(http::Client& client, const std::string& trial, const char* stream,
                    std::size_t& offset, std::ostream& out) {
  auto chunk =
      client.Get(trial + "/logs?rank=0&stream=" + stream + "&offset=" + std::to_string(offset));
  if (!chunk.ok() || chunk->status != 200) return 0;
  out << chunk->body << std::flush;
  offset += chunk->body.size();
  return chunk->body.size();
}

int Run(const Context& context, const RunFlags& flags) {
  auto client = context.Connect();
  if (!client.ok()) return Fail(context, client.error());
  // An id of our own makes the submit safe to repeat.
  const std::string id = flags.name + "-" + RandomHex(4);
  auto answer =
      client->Json("POST", "/api/muster/v1/sweeps",
                   boost::json::object{{"id", id}, {"spec", wire::ToJson(SpecOf(flags))}});
  if (!answer.ok()) return Fail(context, answer.error());
  const std::string trial = *TrialPath(id + "/0");
  std::size_t out = 0, err = 0;
  bool ended = false;
  auto silent_since = std::chrono::steady_clock::now();
  wire::TrialSummary summary;
  const InterruptNote interrupt;
  for (;;) {
    if (interrupt.seen()) {
      std::cerr << "muster: " << id << " is still running; muster trial logs -f " << id
                << "/0 shows its output, muster sweep cancel " << id << " ends it\n";
      return kInterrupted;
    }
    const std::size_t moved = Forward(*client, trial, "out", out, std::cout) +
                              Forward(*client, trial, "err", err, std::cerr);
    if (ended && moved == 0) break;
    auto shown = client->Json("GET", trial);
    if (shown.ok()) {
      silent_since = std::chrono::steady_clock::now();
      if (auto detail = wire::TrialDetailFromJson(*shown); detail.ok()) summary = detail->trial;
    } else if (shown.error().kind != ErrorKind::kUnavailable ||
               std::chrono::steady_clock::now() - silent_since > kPatience) {
      return Fail(context, shown.error());
    } else if (auto again = context.Connect(); again.ok()) {
      client = std::move(again);  // the server may come back on another port; its home knows
    }
    ended = wire::IsFinal(summary.state);
    if (!ended) std::this_thread::sleep_for(std::chrono::milliseconds(200));
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
