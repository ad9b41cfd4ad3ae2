// muster sweep submit|ls|show|explain|pause|resume|cancel
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <chrono>
#include <filesystem>
#include <iostream>
#include <memory>

#include "runtime/cli/context.h"
#include "runtime/cli/follow.h"
#include "runtime/cli/git_state.h"
#include "runtime/config/sweep_file.h"
#include "runtime/wire/api.h"

namespace muster::cli {
namespace {

constexpr const char* kSweeps = "/api/muster/v1/sweeps";

std::string At(const std::string& id, const std::string& verb = "") {
  return std::string(kSweeps) + "/" + http::PercentEncode(id) + (verb.empty() ? "" : "/" + verb);
}

struct SubmitFlags {
  std::string file, id;
  std::vector<std::string> set;
  bool wait = false;
};

int Submit(const Context& context, const SubmitFlags& flags) {
  auto file = config::SweepFile::Read(flags.file, flags.set);
  if (!file.ok()) return Fail(context, file.error());
  for (const std::string& note : file->notes()) {
    if (!context.quiet && !context.json) std::cerr << note << "\n";
  }
  auto client = context.Connect();
  if (!client.ok()) return Fail(context, client.error());
  wire::SweepSpec spec = file->spec();
  if (!spec.code) spec.code = GitState(std::filesystem::absolute(flags.file).parent_path());
  boost::json::object body{{"spec", wire::ToJson(spec)}, {"user", context.user}};
  if (!flags.id.empty()) body["id"] = flags.id;
  auto answer = client->Json("POST", kSweeps, body);
  if (!answer.ok()) {
    // A refused spec is led back to its line; what went wrong on the way is said as it is.
    const bool about_spec = answer.error().kind == ErrorKind::kInvalid;
    return Fail(context, about_spec ? file->Explain(answer.error()) : answer.error());
  }
  const std::string id(answer->at("id").as_string());
  if (!flags.wait) {
    if (!PrintJson(context, *answer)) {
      std::cout << id << "\n";
      if (!context.quiet) std::cerr << "follow it with: muster sweep show " << id << " --follow\n";
    }
    return kDone;
  }
  return FollowSweep(context, *client, id);
}

int List(const Context& context) {
  return Ask(context, {"GET", kSweeps}, [](const boost::json::value& answer) -> Status {
    Table table(
        {"SWEEP", "USER", "STATE", "TRIALS", "RUNNING", "PRUNED", "FAILED", "BEST", "BUSY"});
    for (const auto& entry : answer.at("sweeps").as_array()) {
      MUSTER_ASSIGN_OR_RETURN(const auto sweep, wire::SweepSummaryFromJson(entry));
      table.Add({sweep.id, sweep.user.empty() ? "-" : sweep.user, sweep.state,
                 std::to_string(sweep.trials) + "/" + std::to_string(sweep.budget),
                 std::to_string(sweep.running), std::to_string(sweep.pruned),
                 std::to_string(sweep.failed), sweep.best ? Short(*sweep.best) : "-",
                 std::to_string(static_cast<int>(sweep.busy_share * 100)) + "%"});
    }
    table.Print();
    return Ok();
  });
}

int Show(const Context& context, const std::string& id, bool follow) {
  auto client = context.Connect();
  if (!client.ok()) return Fail(context, client.error());
  if (follow) return FollowSweep(context, *client, id);
  auto answer = client->Json("GET", At(id));
  if (!answer.ok()) return Fail(context, answer.error());
  if (PrintJson(context, *answer)) return kDone;
  return PrintSweep(context, *client, id);
}

}  // namespace

void AddSweep(CLI::App& app, Context& context) {
  auto* sweep = app.add_subcommand("sweep", "Submit and watch sweeps")->require_subcommand(1);

  auto* submit = sweep->add_subcommand("submit", "Check a sweep file and hand it to the server");
  auto flags = std::make_shared<SubmitFlags>();
  submit->add_option("file", flags->file, "The sweep file (YAML)")->required();
  submit->add_option("--set", flags->set, "Replace a value: --set budget.trials=4 (repeatable)")
      ->allow_extra_args(false);
  submit->add_option("--id", flags->id,
                     "Name it; the same id and file again is the same sweep, not a second one");
  submit->add_flag("--wait", flags->wait,
                   "Follow it to its end; exit 1 when it failed. Ctrl-C leaves it running");
  submit->callback(
      [&context, flags] { context.run = [&context, flags] { return Submit(context, *flags); }; });

  sweep->add_subcommand("ls", "All sweeps, newest first")->callback([&context] {
    context.run = [&context] { return List(context); };
  });

  auto id = std::make_shared<std::string>();
  auto follow = std::make_shared<bool>(false);
  auto* show = sweep->add_subcommand("show", "One sweep: its trials, its best, its model's gates");
  show->add_option("sweep", *id, "Its id")->required();
  show->add_flag("-f,--follow", *follow, "Stay until it ends");
  show->callback([&context, id, follow] {
    context.run = [&context, id, follow] { return Show(context, *id, *follow); };
  });

  auto* explain = sweep->add_subcommand("explain", "Why it stands where it stands");
  explain->add_option("sweep", *id, "Its id")->required();
  explain->callback([&context, id] {
    context.run = [&context, id] { return PrintExplanation(context, At(*id, "explain")); };
  });

  AddSweepSearch(*sweep, context);
  AddSweepInsight(*sweep, context);
  for (const auto& [verb, help] :
       {std::pair("pause", "Start no more trials; those that run go on"),
        std::pair("resume", "Start trials again"),
        std::pair("cancel", "Stop its trials (they save a checkpoint) and end it")}) {
    auto* command = sweep->add_subcommand(verb, help);
    command->add_option("sweep", *id, "Its id")->required();
    command->callback([&context, id, name = std::string(verb)] {
      context.run = [&context, id, name] { return AskFor(context, At(*id, name), *id, name); };
    });
  }
}

}  // namespace muster::cli
