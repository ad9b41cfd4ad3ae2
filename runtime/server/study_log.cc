#include "runtime/server/study_log.h"

#include "runtime/wire/codec.h"

namespace muster::server {
namespace {

const std::vector<sqlite::Migration>& Migrations() {
  static const std::vector<sqlite::Migration> kMigrations = {R"(
CREATE TABLE studies (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE records (
  seq INTEGER PRIMARY KEY,
  study INTEGER NOT NULL,
  request TEXT NOT NULL,
  answer TEXT NOT NULL
);
)"};
  return kMigrations;
}

}  // namespace

Result<StudyLog> StudyLog::Open(const std::filesystem::path& file) {
  MUSTER_ASSIGN_OR_RETURN(sqlite::Database database, sqlite::Database::Open(file));
  MUSTER_RETURN_IF_ERROR(database.Migrate(Migrations()));
  return StudyLog(std::move(database));
}

Status StudyLog::Append(const std::vector<Row>& rows) {
  if (rows.empty()) return Ok();
  return database_.Transact([&]() -> Status {
    for (const Row& row : rows) {
      MUSTER_RETURN_IF_ERROR(
          database_.Prepare("INSERT OR IGNORE INTO studies(name) VALUES(?)").RunWith(row.study));
      MUSTER_RETURN_IF_ERROR(database_
                                 .Prepare("INSERT INTO records(study, request, answer)"
                                          " VALUES((SELECT id FROM studies WHERE name=?),?,?)")
                                 .RunWith(row.study, row.request, row.answer));
    }
    return Ok();
  });
}

Status StudyLog::Replay(
    const std::function<Status(const std::string& study, boost::json::object request,
                               boost::json::object answer)>& each) {
  auto rows = database_.Prepare(
      "SELECT name, request, answer, seq FROM records JOIN studies ON studies.id = records.study"
      " ORDER BY seq");
  for (;;) {
    MUSTER_ASSIGN_OR_RETURN(const bool row, rows.Step());
    if (!row) return Ok();
    auto request = wire::ParseJson(rows.Text(1));
    auto answer = wire::ParseJson(rows.Text(2));
    const Status replayed =
        request.ok() && request->is_object() && answer.ok() && answer->is_object()
            ? each(std::string(rows.Text(0)), std::move(request->get_object()),
                   std::move(answer->get_object()))
            : Status(Corrupt("not JSON"));
    if (!replayed.ok()) {
      return replayed.error().With("studies.db, record " + std::to_string(rows.Int(3)));
    }
  }
}

}  // namespace muster::server
