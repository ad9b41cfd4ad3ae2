#include "runtime/journal/sqlite_journal.h"

#include "runtime/journal/schema.h"

namespace muster::journal {

Result<std::unique_ptr<SqliteJournal>> SqliteJournal::Open(const std::filesystem::path& file) {
  MUSTER_ASSIGN_OR_RETURN(sqlite::Database database, sqlite::Database::Open(file));
  return Over(std::move(database));
}

Result<std::unique_ptr<SqliteJournal>> SqliteJournal::Over(sqlite::Database database) {
  MUSTER_RETURN_IF_ERROR(database.Migrate(Migrations()));
  std::unique_ptr<SqliteJournal> journal(new SqliteJournal(std::move(database)));
  MUSTER_RETURN_IF_ERROR(journal->tables_.Open(journal->database_));
  return journal;
}

Status SqliteJournal::Replay(const std::function<void(coordinator::Event)>& each) {
  auto rows = database_.Prepare("SELECT seq, unix_ms, type, json FROM events ORDER BY seq");
  for (;;) {
    MUSTER_ASSIGN_OR_RETURN(const bool row, rows.Step());
    if (!row) return Ok();
    auto body = coordinator::DecodeEvent(rows.Text(2), rows.Text(3));
    if (!body.ok())
      return body.error().With("coordinator.db, event " + std::to_string(rows.Int(0)));
    each({rows.Int(1), std::move(body).value()});
  }
}

Status SqliteJournal::Append(const std::vector<coordinator::Event>& events) {
  if (events.empty()) return Ok();
  return database_.Transact([&]() -> Status {
    for (const coordinator::Event& event : events) {
      MUSTER_RETURN_IF_ERROR(
          database_.Prepare("INSERT INTO events(unix_ms, type, json) VALUES(?,?,?)")
              .RunWith(event.unix_ms, coordinator::EventName(event.body),
                       coordinator::EncodeEvent(event.body)));
      MUSTER_RETURN_IF_ERROR(tables_.Apply(database_, event));
    }
    return Ok();
  });
}

}  // namespace muster::journal
