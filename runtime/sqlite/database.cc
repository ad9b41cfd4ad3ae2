#include "runtime/sqlite/database.h"

#include <sqlite3.h>

#include <algorithm>
#include <functional>
#include <string>
#include <unordered_map>

namespace muster::sqlite {
namespace {

constexpr int kBusyTimeoutMs = 5'000;
constexpr int kLogBlock = 1 << 16;  // SQLite writes no more than 128 KiB at a time

ErrorKind KindOf(int code) {
  switch (code & 0xff) {
    case SQLITE_FULL:
      return ErrorKind::kResource;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return ErrorKind::kUnavailable;
    case SQLITE_CONSTRAINT:
      return ErrorKind::kAlreadyExists;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return ErrorKind::kCorrupt;
    default:
      return ErrorKind::kIo;
  }
}

Error SqliteError(sqlite3* db, int code) {
  const char* file = sqlite3_db_filename(db, "main");
  const std::string name = file == nullptr || *file == '\0' ? "database in memory" : file;
  return {KindOf(code), name + ": " + sqlite3_errmsg(db)};
}

/// Finds by views of the key.
struct TextHash : std::hash<std::string_view> {
  using is_transparent = void;
};

Result<sqlite3_stmt*> Compile(sqlite3* db, std::string_view sql, unsigned flags) {
  sqlite3_stmt* prepared = nullptr;
  const int code =
      sqlite3_prepare_v3(db, sql.data(), static_cast<int>(sql.size()), flags, &prepared, nullptr);
  if (code != SQLITE_OK) return SqliteError(db, code);
  if (prepared == nullptr) return Invalid("no statement in '" + std::string(sql) + "'");
  return prepared;
}

}  // namespace

// --- Statement --------------------------------------------------------------------------------------

Statement::Statement(Statement&& other) noexcept
    : db_(other.db_), statement_(other.statement_), once_(other.once_) {
  other.statement_ = nullptr;
}

Statement::~Statement() {
  if (statement_ == nullptr) return;
  if (once_) {
    sqlite3_finalize(statement_);
    return;
  }
  sqlite3_reset(statement_);
  sqlite3_clear_bindings(statement_);
}

Statement& Statement::Bind(int index, std::int64_t value) {
  MUSTER_CHECK(sqlite3_bind_int64(statement_, index + 1, value) == SQLITE_OK, "no such parameter");
  return *this;
}

Statement& Statement::Bind(int index, double value) {
  MUSTER_CHECK(sqlite3_bind_double(statement_, index + 1, value) == SQLITE_OK, "no such parameter");
  return *this;
}

Statement& Statement::Bind(int index, std::string_view value) {
  BindText(index, value, true);
  return *this;
}

void Statement::BindText(int index, std::string_view value, bool copied) {
  // A null pointer would bind NULL.
  const char* text = value.data() == nullptr ? "" : value.data();
  const int code = sqlite3_bind_text64(statement_, index + 1, text, value.size(),
                                       copied ? SQLITE_TRANSIENT : SQLITE_STATIC, SQLITE_UTF8);
  MUSTER_CHECK(code == SQLITE_OK, "no such parameter, or a text beyond 1 GB");
}

Statement& Statement::BindNull(int index) {
  MUSTER_CHECK(sqlite3_bind_null(statement_, index + 1) == SQLITE_OK, "no such parameter");
  return *this;
}

Result<bool> Statement::Step() {
  const int code = sqlite3_step(statement_);
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  return SqliteError(db_, code);
}

Status Statement::Run() {
  for (;;) {
    auto row = Step();
    if (!row.ok()) {
      sqlite3_reset(statement_);
      return row.error();
    }
    if (!*row) break;
  }
  sqlite3_reset(statement_);
  return Ok();
}

std::int64_t Statement::Int(int column) const { return sqlite3_column_int64(statement_, column); }

double Statement::Double(int column) const { return sqlite3_column_double(statement_, column); }

std::string_view Statement::Text(int column) const {
  const auto* bytes = static_cast<const char*>(sqlite3_column_blob(statement_, column));
  const auto size = static_cast<std::size_t>(sqlite3_column_bytes(statement_, column));
  return bytes == nullptr ? std::string_view() : std::string_view(bytes, size);
}

bool Statement::IsNull(int column) const {
  return sqlite3_column_type(statement_, column) == SQLITE_NULL;
}

// --- Database ---------------------------------------------------------------------------------------

struct Database::Impl {
  sqlite3* db = nullptr;
  std::int64_t log_pages = 0;
  std::unordered_map<std::string, sqlite3_stmt*, TextHash, std::equal_to<>> statements;

  ~Impl() {
    for (const auto& [sql, statement] : statements) sqlite3_finalize(statement);
    sqlite3_close(db);
  }
};

Database::Database(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Database::Database(Database&&) noexcept = default;
Database& Database::operator=(Database&&) noexcept = default;
Database::~Database() = default;

Result<Database> Database::Open(const std::filesystem::path& file, OpenOptions options) {
  // Nobody asks how much memory SQLite holds; counting it takes a lock at every allocation. Refused, which is fine,
  // where the program has used SQLite before.
  [[maybe_unused]] static const int uncounted = sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
  auto impl = std::make_unique<Impl>();
  const int flags =
      (options.read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE) |
      SQLITE_OPEN_NOMUTEX;
  const int code = sqlite3_open_v2(file.c_str(), &impl->db, flags, options.vfs);
  if (code != SQLITE_OK) {
    return Error{KindOf(code), file.string() + ": cannot be opened: " +
                                   (impl->db == nullptr ? "no memory" : sqlite3_errmsg(impl->db))};
  }
  // SQLite opens for reading what it may not write, and fails later in words that nobody understands.
  if (!options.read_only && sqlite3_db_readonly(impl->db, "main") == 1) {
    return Error{ErrorKind::kIo, file.string() +
                                     ": cannot be written: the disk is read-only, or "
                                     "the file may not be changed by this user"};
  }
  sqlite3_extended_result_codes(impl->db, 1);
  sqlite3_busy_timeout(impl->db, kBusyTimeoutMs);
  Database database(std::move(impl));
  if (!options.read_only) MUSTER_RETURN_IF_ERROR(database.Execute("PRAGMA journal_mode=WAL"));
  MUSTER_RETURN_IF_ERROR(database.Execute(options.full_sync ? "PRAGMA synchronous=FULL"
                                                            : "PRAGMA synchronous=NORMAL"));
  MUSTER_RETURN_IF_ERROR(database.Execute("PRAGMA foreign_keys=ON"));
  // Debian's SQLite fills what is freed with zeros, which writes every page that a deletion frees; so only those that
  // are written anyway.
  MUSTER_RETURN_IF_ERROR(database.Execute("PRAGMA secure_delete=FAST"));
  return database;
}

Statement Database::Prepare(std::string_view sql) {
  auto found = impl_->statements.find(sql);
  if (found == impl_->statements.end()) {
    const auto prepared = Compile(impl_->db, sql, SQLITE_PREPARE_PERSISTENT);
    MUSTER_CHECK(prepared.ok(), prepared.error().message.c_str());
    found = impl_->statements.emplace(std::string(sql), *prepared).first;
  }
  MUSTER_CHECK(sqlite3_stmt_busy(found->second) == 0, "the same statement is already in use");
  return Statement(impl_->db, found->second, false);
}

Result<Statement> Database::PrepareOnce(std::string_view sql) {
  MUSTER_ASSIGN_OR_RETURN(sqlite3_stmt * prepared, Compile(impl_->db, sql, 0));
  return Statement(impl_->db, prepared, true);
}

Status Database::Execute(std::string_view sql) {
  const std::string text(sql);
  const int code = sqlite3_exec(impl_->db, text.c_str(), nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) return SqliteError(impl_->db, code);
  return Ok();
}

Status Database::Begin() { return Prepare("BEGIN IMMEDIATE").Run(); }
Status Database::Commit() { return Prepare("COMMIT").Run(); }
void Database::Rollback() {
  // SQLite rolls back by itself after some errors; a second one is then refused, which is fine.
  if (in_transaction()) (void)Prepare("ROLLBACK").Run();
}
bool Database::in_transaction() const { return sqlite3_get_autocommit(impl_->db) == 0; }

std::int64_t Database::changes() const { return sqlite3_changes64(impl_->db); }
std::int64_t Database::last_insert_id() const { return sqlite3_last_insert_rowid(impl_->db); }

void Database::CheckpointByHand() {
  // SQLite's own checkpoints are such a hook, too.
  sqlite3_wal_hook(
      impl_->db,
      [](void* impl, sqlite3*, const char*, int pages) {
        static_cast<Impl*>(impl)->log_pages = pages;
        return SQLITE_OK;
      },
      impl_.get());
}

std::int64_t Database::log_pages() const { return impl_->log_pages; }

Status Database::Checkpoint() {
  const int code =
      sqlite3_wal_checkpoint_v2(impl_->db, nullptr, SQLITE_CHECKPOINT_PASSIVE, nullptr, nullptr);
  // Busy: another connection is at it.
  if (code != SQLITE_OK && code != SQLITE_BUSY) return SqliteError(impl_->db, code);
  return Ok();
}

/// A process whose sync failed ends, and what it wrote may stay in the kernel's cache, marked as written:
/// its successor reads it, and no later sync stores it. So the write-ahead log is written again as it is
/// read and synced, under the write lock. (That of the main file is done by the next checkpoint, which
/// starts from the log.)
Status Database::RewriteLog() {
  return Transact([this]() -> Status {
    sqlite3_file* log = nullptr;
    sqlite3_file_control(impl_->db, "main", SQLITE_FCNTL_JOURNAL_POINTER, static_cast<void*>(&log));
    if (log == nullptr || log->pMethods == nullptr) return Ok();
    sqlite3_int64 size = 0;
    int code = log->pMethods->xFileSize(log, &size);
    std::string block;
    for (sqlite3_int64 at = 0; code == SQLITE_OK && at < size; at += kLogBlock) {
      block.resize(static_cast<std::size_t>(std::min<sqlite3_int64>(kLogBlock, size - at)));
      const int length = static_cast<int>(block.size());
      code = log->pMethods->xRead(log, block.data(), length, at);
      if (code == SQLITE_OK) code = log->pMethods->xWrite(log, block.data(), length, at);
    }
    if (code == SQLITE_OK && size > 0) code = log->pMethods->xSync(log, SQLITE_SYNC_NORMAL);
    if (code == SQLITE_OK) return Ok();
    const char* file = sqlite3_db_filename(impl_->db, "main");
    return Error{KindOf(code),
                 std::string(file == nullptr ? "" : file) + "-wal: " + sqlite3_errstr(code)};
  });
}

Status Database::Migrate(const std::vector<Migration>& migrations) {
  std::int64_t version = 0;
  {
    auto pragma = Prepare("PRAGMA user_version");
    MUSTER_ASSIGN_OR_RETURN(const bool row, pragma.Step());
    MUSTER_CHECK(row, "user_version is always there");
    version = pragma.Int(0);
  }
  MUSTER_RETURN_IF_ERROR(RewriteLog());
  const auto known = static_cast<std::int64_t>(migrations.size());
  if (version > known) {
    const char* file = sqlite3_db_filename(impl_->db, "main");
    return Unsupported(std::string(file == nullptr ? "" : file) + " has schema version " +
                       std::to_string(version) + ", this muster knows versions up to " +
                       std::to_string(known) + "; use the newer muster that wrote it");
  }
  for (; version < known; ++version) {
    const Migration& next = migrations[static_cast<std::size_t>(version)];
    if (next.function_ != nullptr) MUSTER_RETURN_IF_ERROR(next.function_(*this));
    MUSTER_RETURN_IF_ERROR(Transact([&]() -> Status {
      MUSTER_RETURN_IF_ERROR(Execute(next.sql_));
      return Execute("PRAGMA user_version=" + std::to_string(version + 1));
    }));
  }
  return Ok();
}

}  // namespace muster::sqlite
