#pragma once

#include <filesystem>
#include <memory>

#include "runtime/coordinator/journal.h"
#include "runtime/journal/tables.h"
#include "runtime/sqlite/database.h"

namespace muster::journal {

/// `coordinator.db`: the events, and in the same transactions the tables for people and other programs
/// (README of this folder). A trial's result is written by compare-and-swap on (trial, live attempt,
/// running); no row is kFenced, and nothing of the batch is kept.
class SqliteJournal final : public coordinator::Journal {
 public:
  /// Opens or creates, and brings an older schema up to date.
  static Result<std::unique_ptr<SqliteJournal>> Open(const std::filesystem::path& file);
  /// The same over an open connection.
  static Result<std::unique_ptr<SqliteJournal>> Over(sqlite::Database database);

  Status Replay(const std::function<void(coordinator::Event)>& each) override;
  Status Append(const std::vector<coordinator::Event>& events) override;

 private:
  explicit SqliteJournal(sqlite::Database database) : database_(std::move(database)) {}
  sqlite::Database database_;
  Tables tables_;
};

}  // namespace muster::journal
