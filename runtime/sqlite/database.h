#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "runtime/base/result.h"

struct sqlite3;
struct sqlite3_stmt;

/// SQLite as values: a connection, its cached statements, a transaction, numbered migrations.
/// A connection and all that came from it belong to one thread at a time.

namespace muster::sqlite {

/// A prepared statement, reset (or, of PrepareOnce, let go) when it goes out of scope. Columns and parameters count from 0.
class Statement {
 public:
  Statement(Statement&& other) noexcept;
  Statement& operator=(Statement&&) = delete;
  ~Statement();

  Statement& Bind(int index, std::int64_t value);
  Statement& Bind(int index, int value) { return Bind(index, std::int64_t{value}); }
  Statement& Bind(int index, double value);
  /// The text is copied.
  Statement& Bind(int index, std::string_view value);
  Statement& BindNull(int index);
  /// Binds all, in order.
  template <typename... Values>
  Statement& BindAll(const Values&... values) {
    int index = 0;
    (Bind(index++, values), ...);
    return *this;
  }

  /// True when there is a row, false at the end. kResource for a full disk, kUnavailable when locked for
  /// longer than 5 s, kAlreadyExists for a constraint (uniqueness, mostly), kCorrupt, else kIo.
  Result<bool> Step();
  /// For statements without rows: Step to the end and reset.
  Status Run();
  /// Binds all, in order, and runs. Texts are not copied.
  template <typename... Values>
  Status RunWith(const Values&... values) {
    int index = 0;
    (BindBorrowed(index++, values), ...);
    return Run();
  }

  [[nodiscard]] std::int64_t Int(int column) const;
  [[nodiscard]] double Double(int column) const;
  /// Valid until the next Step.
  [[nodiscard]] std::string_view Text(int column) const;
  [[nodiscard]] bool IsNull(int column) const;

 private:
  friend class Database;
  Statement(sqlite3* database, sqlite3_stmt* statement, bool once)
      : db_(database), statement_(statement), once_(once) {}
  template <typename Value>
  void BindBorrowed(int index, const Value& value) {
    if constexpr (std::is_convertible_v<const Value&, std::string_view>) {
      BindText(index, value, false);
    } else {
      Bind(index, value);
    }
  }
  void BindText(int index, std::string_view value, bool copied);

  sqlite3* db_;
  sqlite3_stmt* statement_;
  bool once_;
};

struct OpenOptions {
  bool read_only = false;
  /// synchronous=FULL: an acknowledged commit survives a power loss. Off only for readers and caches.
  bool full_sync = true;
  /// The name of a registered sqlite3_vfs; null: the operating system's. For a simulated disk.
  const char* vfs = nullptr;
};

class Database;

/// One step of a schema: statements, run in one transaction; or a function for what SQL cannot say. It may commit
/// its work in parts, and is called again on what it left when the process ended before it did.
class Migration {
 public:
  Migration(std::string_view sql) : sql_(sql) {}                     // NOLINT: by intent
  Migration(const char* sql) : sql_(sql) {}                          // NOLINT: by intent
  Migration(Status (*function)(Database&)) : function_(function) {}  // NOLINT: by intent

 private:
  friend class Database;
  std::string_view sql_;
  Status (*function_)(Database&) = nullptr;
};

class Database {
 public:
  /// Opens or creates; WAL, foreign keys on. ":memory:" for tests.
  static Result<Database> Open(const std::filesystem::path& file, OpenOptions options = {});
  Database(Database&&) noexcept;
  Database& operator=(Database&&) noexcept;
  ~Database();

  /// Prepares, or takes from this connection's cache, which keeps it. `sql` is ours and one of few: a
  /// mistake in it aborts.
  Statement Prepare(std::string_view sql);
  /// For text that is put together at run time: not kept, and a mistake in it is an error.
  Result<Statement> PrepareOnce(std::string_view sql);
  /// Runs one or more statements that take no parameters.
  Status Execute(std::string_view sql);
  /// BEGIN IMMEDIATE ... COMMIT around `body`; rolls back when it answers an error.
  template <typename Body>
  Status Transact(Body body) {
    MUSTER_RETURN_IF_ERROR(Begin());
    Status status = body();
    if (status.ok()) status = Commit();
    if (!status.ok()) Rollback();
    return status;
  }
  Status Begin();
  Status Commit();
  void Rollback();
  /// False also when SQLite has rolled back by itself, as it may for a full disk.
  [[nodiscard]] bool in_transaction() const;
  /// Rows changed by the last statement.
  [[nodiscard]] std::int64_t changes() const;
  [[nodiscard]] std::int64_t last_insert_id() const;

  /// For whoever owns the database, before anything else. Makes what is found as durable as it looks, and
  /// brings the schema from PRAGMA user_version to migrations.size(), step by step.
  /// kUnsupported when the file is newer than this program, naming both versions.
  Status Migrate(const std::vector<Migration>& migrations);

  /// From now on SQLite begins no checkpoint by itself.
  void CheckpointByHand();
  /// The length of the write-ahead log at this connection's last commit; after CheckpointByHand.
  [[nodiscard]] std::int64_t log_pages() const;
  /// Moves what it can of the log into the file, and waits for nobody. Once all is moved, the next write begins the
  /// log anew.
  Status Checkpoint();

 private:
  Status RewriteLog();

  struct Impl;
  explicit Database(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace muster::sqlite
