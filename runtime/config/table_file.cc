#include "runtime/config/table_file.h"

#include <boost/json/serialize.hpp>

#include "runtime/base/file.h"
#include "runtime/base/utf8.h"
#include "runtime/coordinator/search_spec.h"
#include "tuner/trial_table.h"

namespace muster::config {

namespace json = boost::json;

namespace {

/// Well below what the server takes as one request, as JSON too.
constexpr std::size_t kMostBytes = 16 << 20;

Result<TableFile> TableOf(const json::object& entry, const std::string& where,
                          const std::filesystem::path& folder) {
  TableFile table{.where = where};
  for (const auto& [key, value] : entry) {
    const std::string at = "at " + where + "." + std::string(key) + ": ";
    if (key == "csv") {
      if (!value.is_string())
        return Invalid(at + "wanted a file's name, got " + json::serialize(value));
      table.path = folder / std::string(value.get_string());
    } else if (key == "weight") {
      table.weight = value.is_number() ? value.to_number<double>() : 0;
      if (!(table.weight > 0 && table.weight <= 1))
        return Invalid(at + "wanted above 0 up to 1, got " + json::serialize(value));
    } else {
      return Invalid(at + "unknown key; wanted one of csv, weight");
    }
  }
  return table;
}

Result<tuner::TrialTable> Read(const TableFile& table, const tuner::Space& space,
                               const std::vector<std::string>& metrics) {
  MUSTER_ASSIGN_OR_RETURN(const std::string text, ReadWholeFile(table.path, kMostBytes));
  const std::string name = table.path.string();
  if (ToUtf8(text) != text) return Invalid(name + " is not UTF-8");
  return tuner::ReadTrialTable(text, name, space, metrics);
}

}  // namespace

Result<std::vector<TableFile>> TakeTables(json::object& tree, const std::filesystem::path& folder,
                                          Places& places) {
  std::vector<TableFile> tables;
  auto* list = tree.if_contains("warm_start");
  if (list == nullptr || !list->is_array()) return tables;
  const json::array all = std::move(list->get_array());
  json::array others;
  for (std::size_t i = 0; i < all.size(); ++i) {
    const std::string where = "warm_start[" + std::to_string(i) + "]";
    if (all[i].is_object() && all[i].get_object().contains("csv")) {
      MUSTER_ASSIGN_OR_RETURN(tables.emplace_back(), TableOf(all[i].get_object(), where, folder));
      continue;
    }
    const std::string to = "warm_start[" + std::to_string(others.size()) + "]";
    for (const char* key : {"", ".sweep", ".weight"}) {
      if (const auto place = places.find(where + key); place != places.end()) {
        places.insert_or_assign(to + key, std::string(place->second));
      }
    }
    others.push_back(all[i]);
  }
  *list = std::move(others);
  return tables;
}

Status ReadTables(const std::vector<TableFile>& tables, wire::SweepSpec& spec, Places& places,
                  std::vector<std::string>& notes) {
  MUSTER_ASSIGN_OR_RETURN(const auto search, coordinator::SearchSpecOf(spec));
  std::vector<std::string> metrics{spec.objective.metric};
  for (const auto& objective : spec.more_objectives) metrics.push_back(objective.metric);
  for (const TableFile& table : tables) {
    auto read = Read(table, *search.space, metrics);
    if (!read.ok()) return read.error().With("at " + table.where + ".csv");
    const std::string name = table.path.string();
    for (tuner::TableTrial& trial : read->trials) {
      places["imported[" + std::to_string(spec.imported.size()) + "]"] =
          name + ":" + std::to_string(trial.line);
      spec.imported.push_back({tuner::ParamsToJson(trial.params),
                               std::string(tuner::NameOf(trial.outcome.state)),
                               std::move(trial.outcome.values), table.weight * trial.weight});
    }
    notes.push_back(name + ": " + std::to_string(read->trials.size()) + " trials to start with");
    if (read->left_out > 0) {
      notes.back() +=
          "; " + std::to_string(read->left_out) + " left out that were pruned or have not ended";
    }
  }
  return Ok();
}

}  // namespace muster::config
