// muster trial ls|show|explain|logs|stop|retry
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <chrono>
#include <iostream>
#include <memory>
#include <optional>
#include <thread>

#include "runtime/cli/context.h"
#include "runtime/cli/log_tail.h"
#include "runtime/cli/trial_path.h"
#include "runtime/cli/use_text.h"
#include "runtime/wire/api.h"

namespace muster::cli {
namespace {

int List(const Context& context, const std::string& sweep) {
  const std::string target = "/api/muster/v1/sweeps/" + http::PercentEncode(sweep) + "/trials";
  return Ask(context, {"GET", target}, [](const boost::json::value& answer) -> Status {
    Table table({"TRIAL", "STATE", "STEP", "OBJECTIVE", "ATTEMPTS", "NODE", "MESSAGE"});
    for (const auto& entry : answer.at("trials").as_array()) {
      MUSTER_ASSIGN_OR_RETURN(const auto trial, wire::TrialSummaryFromJson(entry));
      table.Add({trial.id, trial.state, std::to_string(trial.step),
                 trial.objective ? Short(*trial.objective) : "-", std::to_string(trial.attempts),
                 trial.node, trial.message});
    }
    table.Print();
    return Ok();
  });
}

Status PrintTrial(const boost::json::value& answer) {
  MUSTER_ASSIGN_OR_RETURN(const auto detail, wire::TrialDetailFromJson(answer));
  const auto& trial = detail.trial;
  std::cout << trial.id << ": " << trial.state << ", run " << trial.run_id << "\n";
  if (!trial.message.empty()) std::cout << trial.message << "\n";
  if (!trial.from.empty()) {
    std::cout << "cloned from " << trial.from << " at step " << trial.from_step << "\n";
  }
  std::cout << "parameters " << boost::json::serialize(trial.params) << "\n";
  for (const auto& [name, value] : detail.metrics) std::cout << name << " " << Short(value) << "\n";
  if (!detail.checkpoint.empty()) std::cout << "best checkpoint " << detail.checkpoint << "\n";
  if (const std::string used = UseText(detail.used); !used.empty())
    std::cout << "used " << used << "\n";
  Table table({"ATTEMPT", "STATE", "NODE", "CAUSE", "USED", "MESSAGE"});
  for (const auto& attempt : detail.attempts) {
    table.Add({std::to_string(attempt.epoch), attempt.state, attempt.node, attempt.cause,
               UseText(attempt.used), attempt.message});
  }
  table.Print();
  return Ok();
}

struct LogFlags {
  std::string trial, stream = "out";
  int rank = 0;
  bool follow = false;
};

/// Prints what the newest attempt printed, and with `follow` what comes until the trial ends, later attempts
/// included.
int Logs(const Context& context, const LogFlags& flags) {
  auto path = TrialPath(flags.trial);
  if (!path.ok()) return Fail(context, path.error());
  auto client = context.Connect();
  if (!client.ok()) return Fail(context, client.error());
  std::optional<LogTail> tail;
  for (;;) {
    auto answer = client->Json("GET", *path);
    if (!answer.ok()) return Fail(context, answer.error());
    auto detail = wire::TrialDetailFromJson(*answer);
    if (!detail.ok()) return Fail(context, detail.error());
    const auto& attempts = detail->attempts;
    if (!tail) {
      tail.emplace(*path, flags.rank, flags.stream,
                   attempts.size() < 2 ? 0 : attempts[attempts.size() - 2].epoch);
    }
    for (;;) {
      auto bytes = tail->Next(*client, attempts);
      if (!bytes.ok()) return Fail(context, bytes.error());
      if (bytes->empty()) break;
      std::cout << *bytes << std::flush;
    }
    if (!flags.follow || wire::IsFinal(detail->trial.state)) return kDone;
    std::this_thread::sleep_for(std::chrono::milliseconds(500));
  }
}

/// Calls `use` with the trial's path, unless `id` names none.
template <typename Use>
int WithPath(const Context& context, const std::string& id, Use use) {
  const auto path = TrialPath(id);
  return path.ok() ? use(*path) : Fail(context, path.error());
}

}  // namespace

Result<std::string> TrialPath(const std::string& id) {
  const auto slash = id.find_last_of('/');
  if (slash == std::string::npos || slash == 0 || slash + 1 == id.size() ||
      id.find_first_not_of("0123456789", slash + 1) != std::string::npos) {
    return Invalid("'" + id + "' names no trial; wanted SWEEP/NUMBER, as in digits-1/3");
  }
  return "/api/muster/v1/sweeps/" + http::PercentEncode(id.substr(0, slash)) + "/trials/" +
         id.substr(slash + 1);
}

void AddTrial(CLI::App& app, Context& context) {
  auto* trial =
      app.add_subcommand("trial", "Look into trials, read their logs")->require_subcommand(1);
  auto id = std::make_shared<std::string>();

  auto* list = trial->add_subcommand("ls", "The trials of a sweep");
  list->add_option("sweep", *id, "Its id")->required();
  list->callback([&context, id] { context.run = [&context, id] { return List(context, *id); }; });

  auto* show = trial->add_subcommand("show", "One trial with its attempts");
  show->add_option("trial", *id, "SWEEP/NUMBER")->required();
  show->callback([&context, id] {
    context.run = [&context, id] {
      return WithPath(context, *id, [&](const std::string& path) {
        return Ask(context, {"GET", path}, PrintTrial);
      });
    };
  });

  auto* explain = trial->add_subcommand("explain", "Why it waits, or what happened to it");
  explain->add_option("trial", *id, "SWEEP/NUMBER")->required();
  explain->callback([&context, id] {
    context.run = [&context, id] {
      return WithPath(context, *id, [&](const std::string& path) {
        return PrintExplanation(context, path + "/explain");
      });
    };
  });

  auto* logs = trial->add_subcommand("logs", "What a rank printed");
  auto flags = std::make_shared<LogFlags>();
  logs->add_option("trial", flags->trial, "SWEEP/NUMBER")->required();
  logs->add_flag("-f,--follow", flags->follow, "Stay until the trial ends");
  logs->add_option("--rank", flags->rank, "Which rank")->capture_default_str();
  logs->add_option("--stream", flags->stream, "out or err")
      ->check(CLI::IsMember({"out", "err"}))
      ->capture_default_str();
  logs->callback(
      [&context, flags] { context.run = [&context, flags] { return Logs(context, *flags); }; });

  for (const auto& [verb, help] : {std::pair("stop", "Let it save a checkpoint and end"),
                                   std::pair("retry", "Start a failed one again")}) {
    auto* command = trial->add_subcommand(verb, help);
    command->add_option("trial", *id, "SWEEP/NUMBER")->required();
    command->callback([&context, id, name = std::string(verb)] {
      context.run = [&context, id, name] {
        return WithPath(context, *id, [&](const std::string& path) {
          return AskFor(context, path + "/" + name, *id, name);
        });
      };
    });
  }
}

}  // namespace muster::cli
