#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "tuner/history.h"
#include "tuner/space.h"

/// Trials as a table in CSV, a row a trial under a row of names:
///
///   lr,optimizer,momentum,accuracy,state,weight
///   0.001,adamw,,0.913,complete,1
///   0.02,sgd,0.9,,failed,0.5
///
/// Columns are parameters of the space by name, objectives by metric, and, where there are such, `state`
/// (complete unless given) and `weight` (1 unless given). The order is free. An empty cell is an inactive parameter,
/// and the value of a failed trial. What other programs write is understood, too:
///   Optuna  study.trials_dataframe().to_csv(): params_NAME, value, values_0 or values_METRIC, state
///   MLflow  search_runs().to_csv(), `mlflow experiments csv`: params.NAME, metrics.METRIC, status; and what the
///           page of an experiment downloads: names as they are, Status
/// Columns that these write besides (dates, ids, tags, attributes; params. and metrics. that the search does not
/// have) are left out, and so is a column `trial` or `number`. Any other column is an error.

namespace muster::tuner {

struct TableTrial {
  std::size_t line = 0;  ///< of the text
  Params params{};       ///< kept the space's rules
  Outcome outcome{};     ///< complete or failed
  double weight = 1;
};

struct TrialTable {
  std::vector<TableTrial> trials;
  std::size_t left_out =
      0;  ///< rows of trials that were pruned, lost or have not ended: they have no final value
};

/// `metrics` are the objectives' names, "" for one without; their values may also be `value`, of one, or
/// `values_0`, `values_1`, ... Errors are sentences that begin "FILE:LINE: " and name the column, what was seen
/// and what was wanted; `file` is for them alone. A table without a trial is one, too.
Result<TrialTable> ReadTrialTable(std::string_view csv, const std::string& file, const Space& space,
                                  const std::vector<std::string>& metrics);

/// All trials of a history, imported ones first, as ReadTrialTable reads them: trial, state, weight, objectives,
/// parameters of the space as it is now. Numbers have the shortest form that reads back the same.
std::string WriteTrialTable(const Space& space, const History& history,
                            const std::vector<std::string>& metrics);

}  // namespace muster::tuner
