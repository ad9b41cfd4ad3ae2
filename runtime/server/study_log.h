#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/sqlite/checkpointer.h"
#include "runtime/sqlite/database.h"
#include "tuner/ask_tell.h"

namespace muster::server {

/// `studies.db`: what became of studies, in the order in which each saw it. One thread at a time.
///
/// `studies` gives each name a number. A row of `records` holds what one request changed (tuner/study_event.h has the
/// bytes), numbered from 0 within its study. `checksum` is the CRC-32C of the study's number and the row's, 8 bytes
/// each, lowest first, and of the bytes: a row that was damaged, moved or lost is found by its successor at the
/// latest.
class StudyLog {
 public:
  struct Row {
    std::string study;
    tuner::AskTell::Changed changed;
  };
  /// `vfs`: see sqlite::OpenOptions.
  static Result<StudyLog> Open(const std::filesystem::path& file, const char* vfs = nullptr);

  /// All of them, durable when it returns, or none.
  Status Append(const std::vector<Row>& rows);
  /// Every study's rows, oldest first; the bytes are there until `each` returns. kCorrupt names the study and the row.
  Status Replay(
      const std::function<Status(const std::string& study, std::string_view events)>& each);

 private:
  struct Known {
    std::int64_t id = 0, rows = 0;
  };
  explicit StudyLog(sqlite::Database database) : database_(std::move(database)) {}
  Status AppendOne(const Row& row, std::map<std::string, Known>& known);

  sqlite::Database database_;
  std::unique_ptr<sqlite::Checkpointer> checkpointer_;
  std::map<std::string, Known> known_;  ///< what is durable
};

}  // namespace muster::server
