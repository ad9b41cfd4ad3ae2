#pragma once

#include <boost/json/object.hpp>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "runtime/wire/sweep_spec.h"

/// Tables of trials (tuner/trial_table.h) that a sweep file begins with. The server never opens a file of its
/// client's, so they are read beside the sweep file and sent row by row.

namespace muster::config {

/// path in the spec -> where it stands
using Places = std::map<std::string, std::string>;

struct TableFile {
  std::string where;  ///< "warm_start[0]"
  std::filesystem::path path{};
  double weight = 1;  ///< of all its rows, which may have their own
};

/// Takes the entries {csv: FILE, weight: W} out of `warm_start`; those that stay keep their places. Errors begin
/// with "at warm_start[0]...: ".
Result<std::vector<TableFile>> TakeTables(boost::json::object& tree,
                                          const std::filesystem::path& folder, Places& places);

/// Adds the rows to `spec.imported`, each with its line as its place, and to `notes` a sentence a table.
Status ReadTables(const std::vector<TableFile>& tables, wire::SweepSpec& spec, Places& places,
                  std::vector<std::string>& notes);

}  // namespace muster::config
