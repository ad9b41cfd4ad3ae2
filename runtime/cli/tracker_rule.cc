// muster tracker rule add|ls|rm|log
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <iostream>
#include <memory>

#include "runtime/cli/context.h"

namespace muster::cli {
namespace {

using boost::json::value;

constexpr const char* kRules = "/api/muster/v1/rules";

struct RuleFlags {
  std::string name, kind, metric, experiment, webhook;
  bool less_is_worse = false, stop = false;
  double bound = 0;
  std::int64_t points = 1, least = 0;
};

std::string At(const std::string& name, const std::string& rest = "") {
  return std::string(kRules) + "/" + http::PercentEncode(name) + rest;
}

std::string Text(const value& json) {
  if (json.is_string()) return std::string(json.get_string());
  if (json.is_bool()) return json.get_bool() ? "yes" : "no";
  return json.is_number() ? Short(json.to_number<double>()) : "";
}

int Add(const Context& context, const RuleFlags& flags) {
  const boost::json::object body{{"name", flags.name},
                                 {"kind", flags.kind},
                                 {"metric", flags.metric},
                                 {"experiment_id", flags.experiment},
                                 {"less_is_worse", flags.less_is_worse},
                                 {"bound", flags.bound},
                                 {"points", flags.points},
                                 {"least", flags.least},
                                 {"webhook_id", flags.webhook},
                                 {"stop", flags.stop}};
  return Ask(context, {"POST", kRules, body}, [&](const value&) {
    if (!context.quiet) {
      std::cout << flags.name << ": watches; what it finds: muster tracker rule log " << flags.name
                << "\n";
    }
    return Ok();
  });
}

int List(const Context& context) {
  return Ask(context, {"GET", kRules}, [](const value& answer) {
    Table table(
        {"RULE", "KIND", "METRIC", "EXPERIMENT", "BOUND", "POINTS", "LEAST", "WEB HOOK", "STOPS"});
    for (const auto& rule : answer.at("rules").as_array()) {
      std::vector<std::string> cells;
      for (const char* name : {"name", "kind", "metric", "experiment_id", "bound", "points",
                               "least", "webhook_id", "stop"}) {
        cells.push_back(Text(rule.at(name)));
      }
      table.Add(std::move(cells));
    }
    table.Print();
    return Ok();
  });
}

int Remove(const Context& context, const std::string& name) {
  return Ask(context, {"DELETE", At(name)}, [&](const value&) {
    if (!context.quiet) std::cout << name << ": removed\n";
    return Ok();
  });
}

int Log(const Context& context, const std::string& name) {
  return Ask(context, {"GET", At(name, "/firings")}, [](const value& answer) {
    for (const auto& firing : answer.at("firings").as_array()) {
      std::cout << Text(firing.at("finding").at("text")) << "\n    "
                << (firing.at("settled").as_bool() ? Text(firing.at("outcome")) : "under way")
                << "\n";
    }
    return Ok();
  });
}

}  // namespace

void AddTrackerRule(CLI::App& tracker, Context& context) {
  auto* rule = tracker.add_subcommand("rule", "Watch metrics on the server; tell or stop")
                   ->require_subcommand(1);
  auto flags = std::make_shared<RuleFlags>();

  auto* add = rule->add_subcommand("add", "Declare a rule; replaces the one of its name");
  add->add_option("name", flags->name, "Its name")->required();
  add->add_option("--kind", flags->kind, "nan, threshold, divergence, plateau, stuck or z_score")
      ->required();
  add->add_option("--metric", flags->metric, "Its key; none: each (nan and stuck)");
  add->add_option("--experiment", flags->experiment, "Id of an experiment; none: all");
  add->add_flag("--less-is-worse", flags->less_is_worse, "As of an accuracy");
  add->add_option("--bound", flags->bound,
                  "threshold: the value; divergence: times the best; plateau: the progress wanted; "
                  "stuck: times the usual pause; z_score: robust deviations");
  add->add_option("--points", flags->points, "So many in a row (plateau: without progress)")
      ->capture_default_str();
  add->add_option("--least", flags->least,
                  "divergence: values before; stuck: seconds; z_score: other runs");
  add->add_option("--webhook", flags->webhook, "Id of the web hook that is told");
  add->add_flag("--stop", flags->stop, "End the trial whose run it is");
  add->callback(
      [&context, flags] { context.run = [&context, flags] { return Add(context, *flags); }; });

  rule->add_subcommand("ls", "All rules")->callback([&context] {
    context.run = [&context] { return List(context); };
  });
  auto* remove = rule->add_subcommand("rm", "Remove one; what it found stays");
  remove->add_option("name", flags->name, "Its name")->required();
  remove->callback([&context, flags] {
    context.run = [&context, flags] { return Remove(context, flags->name); };
  });
  auto* log = rule->add_subcommand("log", "What one found, and what followed; newest first");
  log->add_option("name", flags->name, "Its name")->required();
  log->callback(
      [&context, flags] { context.run = [&context, flags] { return Log(context, flags->name); }; });
}

}  // namespace muster::cli
