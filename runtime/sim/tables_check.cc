#include "runtime/sim/tables_check.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <string_view>

#include "runtime/coordinator/event_json.h"
#include "runtime/wire/codec.h"

namespace muster::sim {
namespace {

using Rows = std::map<std::string, std::string>;  ///< key -> the other columns as one text

template <typename Enum>
std::string Text(Enum value) {
  return std::string(wire::ToJson(value).as_string());
}

/// `sql` selects the key and one text.
Rows Select(sqlite::Database& database, std::string_view sql) {
  Rows rows;
  auto statement = database.Prepare(sql);
  for (;;) {
    const auto row = statement.Step();
    if (!row.ok()) return {{"error", row.error().message}};
    if (!*row) return rows;
    rows[std::string(statement.Text(0))] = std::string(statement.Text(1));
  }
}

Rows SweepRows(const coordinator::State& state) {
  Rows rows;
  for (const auto& [id, sweep] : state.sweeps) {
    const bool final = coordinator::IsFinal(sweep.phase);
    rows[id.value] = sweep.spec.name + "|" + Text(sweep.phase) + "|" + (final ? sweep.message : "");
  }
  return rows;
}

Rows TrialRows(const coordinator::State& state) {
  Rows rows;
  for (const auto& [sweep_id, sweep] : state.sweeps) {
    for (const coordinator::Trial& trial : sweep.trials) {
      const auto newest = trial.attempts.empty() ? 0 : trial.attempts.back().value;
      const bool has_value = trial.value && !std::isnan(*trial.value);
      const bool pausing = trial.parked && trial.phase == coordinator::TrialPhase::kRunning;
      rows[trial.id.value] = std::to_string(trial.number) + "|" +
                             (pausing ? "pausing" : Text(trial.phase)) + "|" +
                             std::to_string(newest) + "|" + trial.run.value + "|" + trial.message +
                             "|" + (has_value ? "1" : "0");
    }
  }
  return rows;
}

Rows AttemptRows(const coordinator::State& state) {
  Rows rows;
  for (const auto& [epoch, attempt] : state.attempts) {
    rows[std::to_string(epoch.value)] = attempt.trial.value + "|" + Text(attempt.phase) + "|" +
                                        (attempt.cause ? Text(*attempt.cause) : "") + "|" +
                                        attempt.message;
  }
  return rows;
}

Rows OutboxRows(const coordinator::State& state) {
  Rows rows;
  for (const auto& [id, entry] : state.outbox) {
    rows[id] = std::string(coordinator::CommandName(entry.command));
  }
  return rows;
}

std::string Difference(std::string_view table, const Rows& rows, const Rows& wanted) {
  for (const auto& [key, text] : wanted) {
    const auto found = rows.find(key);
    if (found == rows.end()) return std::string(table) + " lacks " + key;
    if (found->second != text)
      return std::string(table) + " has " + key + " as " + found->second + ", the events as " +
             text;
  }
  for (const auto& [key, text] : rows) {
    if (!wanted.contains(key)) return std::string(table) + " has " + key + ", the events do not";
  }
  return {};
}

}  // namespace

std::string CompareTables(sqlite::Database& database, const coordinator::State& state) {
  struct Table {
    std::string_view name, sql;
    Rows (*wanted)(const coordinator::State&);
  };
  constexpr Table kTables[] = {
      {"sweeps",
       "SELECT id, name || '|' || state || '|' || CASE WHEN ended_ms IS NULL THEN ''"
       " ELSE message END FROM sweeps",
       SweepRows},
      {"trials",
       "SELECT id, number || '|' || state || '|' || epoch || '|' || run || '|' || message || '|'"
       " || (value IS NOT NULL) FROM trials",
       TrialRows},
      {"attempts",
       "SELECT CAST(epoch AS TEXT), trial || '|' || state || '|' || coalesce(cause, '') || '|' ||"
       " message FROM attempts",
       AttemptRows},
      {"outbox", "SELECT id, type FROM outbox", OutboxRows}};
  for (const Table& table : kTables) {
    std::string difference =
        Difference(table.name, Select(database, table.sql), table.wanted(state));
    if (!difference.empty()) return difference;
  }
  return {};
}

}  // namespace muster::sim
