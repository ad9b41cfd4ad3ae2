// muster tracker ranks RUN [--metric KEY]
#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <iostream>
#include <memory>

#include "runtime/cli/context.h"
#include "runtime/cli/trial_path.h"
#include "runtime/wire/api.h"
#include "tracker/ranks/spread.h"

namespace muster::cli {
namespace {

using boost::json::value;

struct RanksFlags {
  std::string run, metric;
};

/// The run's path; a trial, SWEEP/NUMBER, stands for its run.
Result<std::string> RanksPath(http::Client& client, const std::string& run) {
  std::string id = run;
  if (run.find('/') != std::string::npos) {
    MUSTER_ASSIGN_OR_RETURN(const std::string trial, TrialPath(run));
    MUSTER_ASSIGN_OR_RETURN(const value answer, client.Json("GET", trial));
    MUSTER_ASSIGN_OR_RETURN(const auto detail, wire::TrialDetailFromJson(answer));
    id = detail.trial.run_id;
  }
  return "/api/muster/v1/runs/" + http::PercentEncode(id) + "/ranks";
}

/// The first metric that is a time, else the first.
std::string MetricOf(const value& ranks) {
  std::vector<std::string> keys;
  for (const value& key : ranks.at("keys").as_array()) keys.emplace_back(key.as_string());
  const auto time = std::ranges::find(keys, tracker::Worse::kHigh, tracker::WorseOf);
  if (time != keys.end()) return *time;
  return keys.empty() ? "" : keys.front();
}

std::string TextOf(const value& rank, const char* name) {
  const value* found = rank.as_object().if_contains(name);
  if (found == nullptr) return "-";
  if (found->is_string()) return std::string(found->get_string());
  return found->is_double() ? Short(found->get_double())
                            : std::to_string(found->to_number<std::int64_t>());
}

void PrintRanks(const value& view) {
  Table table({"RANK", "NODE", "GPU", "STEP", "BEHIND", TextOf(view, "key"), "STRAGGLER"});
  for (const value& rank : view.at("ranks").as_array()) {
    const bool slow = rank.at("slow").as_bool(), lags = rank.at("lags").as_bool();
    table.Add({TextOf(rank, "rank"), TextOf(rank, "node"), TextOf(rank, "gpu"),
               TextOf(rank, "last_step"), TextOf(rank, "behind"), TextOf(rank, "recent"),
               slow && lags ? "slow, lags"
               : slow       ? "slow"
               : lags       ? "lags"
                            : ""});
  }
  table.Print();
}

Result<value> View(http::Client& client, const RanksFlags& flags) {
  MUSTER_ASSIGN_OR_RETURN(const std::string path, RanksPath(client, flags.run));
  std::string metric = flags.metric;
  if (metric.empty()) {
    MUSTER_ASSIGN_OR_RETURN(const value ranks, client.Json("GET", path));
    metric = MetricOf(ranks);
    if (metric.empty()) return NotFound("no rank of run " + flags.run + " has logged a metric");
  }
  return client.Json("GET", path + "/" + http::PercentEncode(metric));
}

int Ranks(const Context& context, const RanksFlags& flags) {
  auto client = context.Connect();
  if (!client.ok()) return Fail(context, client.error());
  const auto view = View(*client, flags);
  if (!view.ok()) return Fail(context, view.error());
  return ShowAnswer(context, *view, [](const value& answer) {
    PrintRanks(answer);
    return Ok();
  });
}

}  // namespace

void AddTrackerRanks(CLI::App& tracker, Context& context) {
  auto* command =
      tracker.add_subcommand("ranks", "The ranks of a run, and which hold the others up");
  auto flags = std::make_shared<RanksFlags>();
  command->add_option("run", flags->run, "A run's id, or a trial: SWEEP/NUMBER")->required();
  command->add_option("--metric", flags->metric,
                      "By which they are compared; none: the first that is a time");
  command->footer(
      "The value is the median of a rank's last 32. What makes a straggler: "
      "tracker/README.md.");
  command->callback(
      [&context, flags] { context.run = [&context, flags] { return Ranks(context, *flags); }; });
}

}  // namespace muster::cli
