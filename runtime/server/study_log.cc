#include "runtime/server/study_log.h"

#include <array>
#include <boost/crc.hpp>

namespace muster::server {
namespace {

/// The first layout kept requests and answers as JSON; no release had it.
Status LeaveFirstLayout(sqlite::Database& database) {
  auto rows = database.Prepare("SELECT 1 FROM records LIMIT 1");
  MUSTER_ASSIGN_OR_RETURN(const bool some, rows.Step());
  if (!some) return Ok();
  return Unsupported(
      "studies.db was written by a development version of muster, whose layout is no longer read; "
      "move the file away to begin with no studies");
}

const std::vector<sqlite::Migration>& Migrations() {
  static const std::vector<sqlite::Migration> kMigrations = {
      R"(
CREATE TABLE studies (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE records (
  seq INTEGER PRIMARY KEY,
  study INTEGER NOT NULL,
  request TEXT NOT NULL,
  answer TEXT NOT NULL
);
)",
      &LeaveFirstLayout, R"(
DROP TABLE records;
DELETE FROM studies;
CREATE TABLE records (
  study INTEGER NOT NULL,
  number INTEGER NOT NULL,
  checksum INTEGER NOT NULL,
  events BLOB NOT NULL,
  PRIMARY KEY (study, number)
) WITHOUT ROWID;
)"};
  return kMigrations;
}

std::int64_t ChecksumOf(std::int64_t study, std::int64_t number, std::string_view events) {
  // As iSCSI and ext4 have it.
  boost::crc_optimal<32, 0x1EDC6F41, 0xFFFFFFFF, 0xFFFFFFFF, true, true> crc;
  std::array<unsigned char, 16> place{};
  for (std::size_t i = 0; i < 8; ++i) {
    place[i] = static_cast<unsigned char>(study >> (8 * i));
    place[8 + i] = static_cast<unsigned char>(number >> (8 * i));
  }
  crc.process_bytes(place.data(), place.size());
  crc.process_bytes(events.data(), events.size());
  return crc.checksum();
}

}  // namespace

Result<StudyLog> StudyLog::Open(const std::filesystem::path& file, const char* vfs) {
  MUSTER_ASSIGN_OR_RETURN(sqlite::Database database, sqlite::Database::Open(file, {.vfs = vfs}));
  MUSTER_RETURN_IF_ERROR(database.Migrate(Migrations()));
  StudyLog log(std::move(database));
  MUSTER_ASSIGN_OR_RETURN(
      log.checkpointer_,
      sqlite::Checkpointer::Start(file, log.database_, {.begin_pages = 16'000, .vfs = vfs}));
  return log;
}

Status StudyLog::Append(const std::vector<Row>& rows) {
  std::map<std::string, Known> known;  // of these rows; in known_ once they are durable
  for (const Row& row : rows) {
    const auto found = known_.find(row.study);
    known[row.study] = found == known_.end() ? Known{} : found->second;
  }
  if (known.empty()) return Ok();
  MUSTER_RETURN_IF_ERROR(database_.Transact([&]() -> Status {
    for (const Row& row : rows) MUSTER_RETURN_IF_ERROR(AppendOne(row, known));
    return Ok();
  }));
  for (const auto& [study, now] : known) {
    if (now.id == 0) {
      known_.erase(study);
    } else {
      known_[study] = now;
    }
  }
  checkpointer_->Committed(database_);
  return Ok();
}

Status StudyLog::AppendOne(const Row& row, std::map<std::string, Known>& known) {
  Known& study = known[row.study];
  if (row.changed.dropped && study.id != 0) {
    MUSTER_RETURN_IF_ERROR(
        database_.Prepare("DELETE FROM records WHERE study = ?").RunWith(study.id));
    MUSTER_RETURN_IF_ERROR(database_.Prepare("DELETE FROM studies WHERE id = ?").RunWith(study.id));
    study = {};
  }
  if (row.changed.events.empty()) return Ok();
  if (study.id == 0) {
    MUSTER_RETURN_IF_ERROR(
        database_.Prepare("INSERT INTO studies(name) VALUES(?)").RunWith(row.study));
    study = {.id = database_.last_insert_id(), .rows = 0};
  }
  MUSTER_RETURN_IF_ERROR(
      database_.Prepare("INSERT INTO records(study, number, checksum, events) VALUES(?,?,?,?)")
          .RunWith(study.id, study.rows, ChecksumOf(study.id, study.rows, row.changed.events),
                   row.changed.events));
  ++study.rows;
  return Ok();
}

Status StudyLog::Replay(
    const std::function<Status(const std::string& study, std::string_view events)>& each) {
  known_.clear();
  std::map<std::int64_t, std::string> names;
  {
    auto studies = database_.Prepare("SELECT id, name FROM studies");
    for (;;) {
      MUSTER_ASSIGN_OR_RETURN(const bool row, studies.Step());
      if (!row) break;
      names[studies.Int(0)] = studies.Text(1);
    }
  }
  auto rows = database_.Prepare(
      "SELECT study, number, checksum, events FROM records ORDER BY study, number");
  for (;;) {
    MUSTER_ASSIGN_OR_RETURN(const bool row, rows.Step());
    if (!row) break;
    const std::int64_t id = rows.Int(0), number = rows.Int(1);
    const std::string_view events = rows.Text(3);
    const auto name = names.find(id);
    const auto damage = [&](const std::string& what) {
      const std::string study = name == names.end() ? std::to_string(id) : "'" + name->second + "'";
      return Corrupt("studies.db: study " + study + ", record " + std::to_string(number) + ": " +
                     what);
    };
    if (name == names.end()) return damage("there is no such study");
    Known& study = known_[name->second];
    study.id = id;
    if (number != study.rows) return damage("wanted record " + std::to_string(study.rows));
    if (rows.Int(2) != ChecksumOf(id, number, events)) return damage("its checksum is wrong");
    if (const Status replayed = each(name->second, events); !replayed.ok()) {
      return damage(replayed.error().message);
    }
    ++study.rows;
  }
  for (const auto& [id, name] : names) {
    if (!known_.contains(name)) return Corrupt("studies.db: study '" + name + "' has no records");
  }
  return Ok();
}

}  // namespace muster::server
