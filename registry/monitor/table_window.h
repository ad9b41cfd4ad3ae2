#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "registry/monitor/window.h"
#include "runtime/base/csv.h"

/// A window of rows that lie in a table: what was served before anybody watched, or served elsewhere. Pure.

namespace muster::registry::monitor {

/// Names of columns beside the inputs'; one that the table has not is not read.
struct TableColumns {
  std::string prediction =
      "prediction";  ///< a class; of regression prediction[0] ..., or prediction of a single one
  std::string confidence = "confidence";
  std::string label = "label";  ///< a class; of regression label[0] ..., or label of a single one
  std::string segment = "segment";
};

/// `records` begin with the header, which has each of the baseline's input columns by its name ("x[0]"), or all of a pooled
/// one; others are left alone. Each row is looked at. An empty cell, NaN and NA are missing values. kInvalid names the
/// column that is not there, and the line and column of what is no number; `time_ms` is the window's.
Result<Window> WindowOfTable(const Baseline& baseline, const std::vector<CsvRecord>& records,
                             const TableColumns& names, std::int64_t time_ms);

}  // namespace muster::registry::monitor
