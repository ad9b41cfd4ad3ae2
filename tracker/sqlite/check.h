#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "runtime/base/result.h"

namespace muster::tracker {

struct CheckReport {
  std::int64_t runs = 0, series = 0, points = 0, chunks = 0, tail_rows = 0;
  /// What is wrong, each with the row that it is about; empty: nothing. At most kMostProblems.
  std::vector<std::string> problems;

  static constexpr std::size_t kMostProblems = 100;
};

/// Reads all of a tracker.db and tells what does not fit: SQLite's own checks, chunks and tails that do not
/// decode or say of themselves what is not so, chunks that reach into each other, a series' latest point that
/// is not its latest. Changes nothing; a server may run on the file meanwhile. kUnsupported for another
/// schema version than this program writes, kIo, kCorrupt for a file that cannot be read at all.
Result<CheckReport> CheckTrackerDatabase(const std::filesystem::path& file,
                                         const char* vfs = nullptr);

}  // namespace muster::tracker
