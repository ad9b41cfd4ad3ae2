#pragma once

#include <string>
#include <vector>

#include "runtime/base/csv.h"
#include "tuner/space.h"

/// The row of names of a table of trials (trial_table.h).

namespace muster::tuner {

struct TableColumn {
  enum class Role { kLeftOut, kParameter, kValue, kState, kWeight };
  Role role = Role::kLeftOut;
  std::size_t index = 0;  ///< of a parameter or an objective
};

/// What each column is: every parameter without a condition and every objective has one, none has two. Errors
/// as "LINE: column NAME: ...".
Result<std::vector<TableColumn>> ReadColumns(const CsvRecord& header, const Space& space,
                                             const std::vector<std::string>& metrics);

/// trial, state, weight, the objectives, the parameters; without the line's end.
std::string WriteColumns(const Space& space, const std::vector<std::string>& metrics);

/// "LINE: column NAME: what"
Error AtCell(std::size_t line, const std::string& column, const std::string& what);

}  // namespace muster::tuner
