// muster sweep importance, dependence, best, front, export: what a search has taught
#include <algorithm>
#include <boost/json/serialize.hpp>
#include <cmath>
#include <iostream>

#include "runtime/cli/context.h"
#include "runtime/cli/step_plot.h"

namespace muster::cli {
namespace {

constexpr int kBarWidth = 40;

std::string Bar(double share) {
  const double clipped = std::clamp(share, 0.0, 1.0);
  return std::string(static_cast<std::size_t>(std::lround(clipped * kBarWidth)), '#');
}

double NumberAt(const boost::json::value& json, const char* key) {
  return json.at(key).to_number<double>();
}

/// A number short, a text without quotes.
std::string Plain(const boost::json::value& value) {
  if (value.is_double()) return Short(value.get_double());
  if (value.is_string()) return std::string(value.get_string());
  return boost::json::serialize(value);
}

std::string ParamsText(const boost::json::value& params) {
  std::string text;
  for (const auto& [name, value] : params.as_object()) {
    text += (text.empty() ? "" : " ") + std::string(name) + "=" + Plain(value);
  }
  return text;
}

Status ShowImportance(const boost::json::value& answer) {
  const bool forest = answer.at("method") == "forest";
  Table table({"PARAMETER", "SHARE", forest ? "LOSS IT EXPLAINS (95 %)" : "DIVERGENCE", ""});
  for (const auto& one : answer.at("importance").as_array()) {
    std::string value = Short(NumberAt(one, "value"));
    if (forest)
      value += " [" + Short(NumberAt(one, "low")) + ", " + Short(NumberAt(one, "high")) + "]";
    table.Add({std::string(one.at("parameter").as_string()),
               std::to_string(std::lround(100 * NumberAt(one, "share"))) + " %", value,
               Bar(NumberAt(one, "share"))});
  }
  table.Print();
  return Ok();
}

/// Rows of the values that the parameters take, with a bar from the least to the greatest.
Status ShowDependence(const boost::json::value& answer) {
  const auto& rows = answer.at("dependence").as_array();
  double low = INFINITY, high = -INFINITY;
  for (const auto& row : rows) {
    low = std::min(low, NumberAt(row, "value"));
    high = std::max(high, NumberAt(row, "value"));
  }
  Table table({"AT", "OBJECTIVE", "LOW", "HIGH", ""});
  for (const auto& row : rows) {
    const double value = NumberAt(row, "value");
    std::string at;
    for (const auto& one : row.at("at").as_array()) {
      at += (at.empty() ? "" : ", ") + Plain(one);
    }
    table.Add({at, Short(value), Short(NumberAt(row, "low")), Short(NumberAt(row, "high")),
               Bar(high > low ? (value - low) / (high - low) : 0)});
  }
  table.Print();
  return Ok();
}

Status ShowBest(const boost::json::value& answer) {
  const auto& curve = answer.at("curve").as_array();
  const double first = NumberAt(curve.front(), "value"), last = NumberAt(curve.back(), "value");
  Table table({"ENDED", "AFTER", "TRIAL", "BEST SO FAR", ""});
  StepPlot trials{
      .title = "over trials", .begin = 0, .end = NumberAt(answer, "ended"), .label = [](double x) {
        return std::to_string(std::lround(x));
      }};
  StepPlot time{.title = "over time (hours:minutes:seconds since it was submitted)",
                .begin = 0,
                .end = NumberAt(answer, "seconds"),
                .label = ClockText};
  for (const auto& step : curve) {
    const double value = NumberAt(step, "value"), seconds = NumberAt(step, "seconds");
    table.Add({Plain(step.at("ended")), ClockText(seconds), Plain(step.at("trial")), Short(value),
               Bar(first != last ? (value - first) / (last - first) : 1)});
    trials.steps.push_back({NumberAt(step, "ended"), value});
    time.steps.push_back({seconds, value});
  }
  table.Print();
  std::cout << "\nbest so far " << Draw(trials) << "\nbest so far " << Draw(time);
  std::cout << "\ntrial " << answer.at("trial") << ": " << ParamsText(answer.at("params")) << "\n";
  return Ok();
}

Status ShowFront(const boost::json::value& answer) {
  Table table({"TRIAL", "OBJECTIVES", "PARAMETERS"});
  for (const auto& trial : answer.at("trials").as_array()) {
    std::string values;
    for (const auto& value : trial.at("values").as_array()) {
      values.append(values.empty() ? "" : ", ").append(Short(value.to_number<double>()));
    }
    table.Add({Plain(trial.at("trial")), values, ParamsText(trial.at("params"))});
  }
  table.Print();
  return Ok();
}

/// As it is: for a file, or a spreadsheet.
Status ShowTable(const boost::json::value& answer) {
  std::cout << std::string_view(answer.at("csv").as_string());
  return Ok();
}

struct Flags {
  std::string id, method = "ped-anova";
  int objective = 0;
  std::vector<std::string> params;

  [[nodiscard]] std::string Path(const char* verb) const {
    std::string path =
        "/api/muster/v1/sweeps/" + id + "/" + verb + "?objective=" + std::to_string(objective);
    if (std::string_view(verb) == "importance") path += "&method=" + method;
    for (std::size_t i = 0; i < params.size(); ++i) path += (i == 0 ? "&params=" : ",") + params[i];
    return path;
  }
};

}  // namespace

void AddSweepInsight(CLI::App& sweep, Context& context) {
  auto flags = std::make_shared<Flags>();
  const auto add = [&](const char* verb, const char* help,
                       Status (*show)(const boost::json::value&)) {
    auto* command = sweep.add_subcommand(verb, help);
    command->add_option("sweep", flags->id, "Its id")->required();
    command->callback([&context, flags, verb, show] {
      context.run = [&context, flags, verb, show] {
        return Ask(context, {"GET", flags->Path(verb)}, show);
      };
    });
    return command;
  };
  auto* importance =
      add("importance", "Which parameters decide how good a trial is", ShowImportance);
  importance
      ->add_option("--method", flags->method,
                   "ped-anova: what sets the best tenth apart; forest: what a model of all trials "
                   "needs, with intervals")
      ->check(CLI::IsMember({"ped-anova", "forest"}));
  auto* dependence =
      add("dependence", "How the objective depends on one or two parameters, all else averaged",
          ShowDependence);
  dependence->add_option("params", flags->params, "One or two of them")->required()->expected(1, 2);
  auto* best = add(
      "best", "The best trial, and how the search came to it, over trials and over time", ShowBest);
  add("front", "The trials that no other beats in every objective", ShowFront);
  add("export",
      "Its trials as CSV, which warm_start of another sweep reads: muster sweep export s-1 > t.csv",
      ShowTable);
  for (auto* command : {importance, dependence, best}) {
    command->add_option("--objective", flags->objective, "Of several: 0 is the first");
  }
}

}  // namespace muster::cli
