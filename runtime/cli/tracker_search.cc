// muster tracker search [EXPERIMENT...] [--where FILTER] [--order-by ORDER] [--select WHAT]
#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <cctype>
#include <iostream>
#include <memory>

#include "runtime/cli/context.h"

namespace muster::cli {
namespace {

using boost::json::array;
using boost::json::object;
using boost::json::value;

constexpr std::string_view kApi = "/api/2.0/mlflow/";

struct SearchFlags {
  std::vector<std::string> experiments, order_by, select;
  std::string where;
  std::int64_t limit = 20;
  bool deleted = false;
};

/// Names are looked up; digits are an id, unless an experiment is called so.
Result<std::string> ExperimentId(http::Client& client, const std::string& name) {
  const auto found = client.Json(
      "GET",
      std::string(kApi) + "experiments/get-by-name?experiment_name=" + http::PercentEncode(name));
  if (found.ok()) {
    return std::string(found->at("experiment").at("experiment_id").as_string());
  }
  const bool digits = !name.empty() && std::ranges::all_of(name, [](unsigned char c) {
    return std::isdigit(c) != 0;
  });
  return digits ? Result<std::string>(name) : found.error();
}

Result<array> ExperimentIds(http::Client& client, const std::vector<std::string>& names) {
  array ids;
  for (const std::string& name : names) {
    MUSTER_ASSIGN_OR_RETURN(const std::string id, ExperimentId(client, name));
    ids.emplace_back(id);
  }
  if (!names.empty()) return ids;
  MUSTER_ASSIGN_OR_RETURN(
      const value all,
      client.Json("POST", std::string(kApi) + "experiments/search", value{{"max_results", 1000}}));
  if (const value* list = all.as_object().if_contains("experiments")) {
    for (const value& experiment : list->as_array()) ids.push_back(experiment.at("experiment_id"));
  }
  return ids;
}

array ListOf(const value& run, const std::string& list) {
  const value* items = run.at("data").as_object().if_contains(list);
  return items == nullptr ? array() : items->as_array();
}

/// "metrics.loss" for each that is selected; a list as a whole is what the runs have in it.
std::vector<std::string> ColumnsOf(const std::vector<std::string>& select, const array& runs) {
  std::vector<std::string> columns;
  const auto add = [&](std::string column) {
    if (std::ranges::find(columns, column) == columns.end()) columns.push_back(std::move(column));
  };
  for (const std::string& item : select) {
    if (item.find('.') != item.npos) add(item);
    if (item.find('.') != item.npos || item == "links") continue;
    for (const value& run : runs) {
      for (const value& entry : ListOf(run, item)) {
        add(item + "." + std::string(entry.at("key").as_string()));
      }
    }
  }
  return columns;
}

std::string CellOf(const value& run, const std::string& column) {
  const std::size_t dot = column.find('.');
  for (const value& entry : ListOf(run, column.substr(0, dot))) {
    if (entry.at("key").as_string() != column.substr(dot + 1)) continue;
    const value& found = entry.at("value");
    return found.is_string() ? std::string(found.get_string()) : Short(found.to_number<double>());
  }
  return "-";
}

Status PrintRuns(const Context& context, const SearchFlags& flags, const value& answer) {
  const value* found = answer.as_object().if_contains("runs");
  const array runs = found == nullptr ? array() : found->as_array();
  const auto columns = ColumnsOf(flags.select, runs);
  std::vector<std::string> headings = {"RUN", "NAME", "STATUS", "STARTED"};
  headings.insert(headings.end(), columns.begin(), columns.end());
  Table table(std::move(headings));
  for (const value& run : runs) {
    const value& info = run.at("info");
    std::vector<std::string> cells = {
        std::string(info.at("run_id").as_string()), std::string(info.at("run_name").as_string()),
        std::string(info.at("status").as_string()),
        Utc(info.at("start_time").to_number<std::int64_t>(), "%Y-%m-%d %H:%M")};
    for (const std::string& column : columns) cells.push_back(CellOf(run, column));
    table.Add(std::move(cells));
  }
  table.Print();
  if (!context.quiet) {
    std::cerr << runs.size() << " of " << answer.at("count").to_number<std::int64_t>() << " runs\n";
  }
  return Ok();
}

Result<value> Find(http::Client& client, const SearchFlags& flags) {
  MUSTER_ASSIGN_OR_RETURN(array ids, ExperimentIds(client, flags.experiments));
  return client.Json(
      "POST", std::string(kApi) + "runs/search",
      object{{"experiment_ids", std::move(ids)},
             {"filter", flags.where},
             {"order_by", array(flags.order_by.begin(), flags.order_by.end())},
             {"max_results", flags.limit},
             {"run_view_type", flags.deleted ? "DELETED_ONLY" : "ACTIVE_ONLY"},
             {"muster",
              {{"select", array(flags.select.begin(), flags.select.end())}, {"count", true}}}});
}

int Search(const Context& context, const SearchFlags& flags) {
  auto client = context.Connect();
  if (!client.ok()) return Fail(context, client.error());
  const auto answer = Find(*client, flags);
  if (!answer.ok()) return Fail(context, answer.error());
  return ShowAnswer(context, *answer,
                    [&](const value& shown) { return PrintRuns(context, flags, shown); });
}

}  // namespace

void AddTrackerSearch(CLI::App& tracker, Context& context) {
  auto* command = tracker.add_subcommand("search", "Runs by what they logged");
  auto flags = std::make_shared<SearchFlags>();
  flags->select = {"metrics"};
  command->add_option("experiment", flags->experiments, "Names or ids; none: all experiments");
  command->add_option("--where", flags->where,
                      "A filter, e.g. \"max(metrics.acc) > 0.9 OR NOT params.lr = '0.1'\"");
  command
      ->add_option("--order-by", flags->order_by,
                   "e.g. \"max(metrics.acc) DESC\"; several: the first counts most. Without: "
                   "the newest first")
      ->allow_extra_args(false);
  command
      ->add_option("--select", flags->select,
                   "Columns: metrics, params, tags, or one of them, metrics.loss; metrics "
                   "unless given")
      ->delimiter(',')
      ->allow_extra_args(false);
  command->add_option("--limit", flags->limit, "Show so many at most")
      ->check(CLI::Range(1, 50'000));
  command->add_flag("--deleted", flags->deleted, "Of the deleted ones");
  command->footer(
      "MLflow's filters, and OR, NOT, brackets, and max(), min(), last() and step() of a metric: "
      "tracker/README.md.");
  command->callback(
      [&context, flags] { context.run = [&context, flags] { return Search(context, *flags); }; });
}

}  // namespace muster::cli
