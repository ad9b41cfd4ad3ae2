#include "runtime/journal/tables.h"

#include <optional>

#include "runtime/coordinator/event_json.h"

namespace muster::journal {
namespace {

using namespace coordinator;  // every event by name

template <typename Enum>
std::string Text(Enum value) {
  return std::string(wire::ToJson(value).as_string());
}

std::string NodeNames(const AttemptStarted& e) {
  std::string names = e.node.value;
  for (const Placement& place : e.places) {
    names += (names.empty() ? "" : ", ") + place.node.value;
  }
  return names;
}

class TableWriter {
 public:
  TableWriter(sqlite::Database& database, UnixMillis unix_ms) : db_(database), unix_ms_(unix_ms) {}

  Status operator()(const CoordinatorStarted& /*e*/) { return Ok(); }
  Status operator()(const NodeSeen& /*e*/) { return Ok(); }
  Status operator()(const NodeChanged& /*e*/) { return Ok(); }
  Status operator()(const LogRuleFired& /*e*/) { return Ok(); }

  Status operator()(const QuotaSet& /*e*/) { return Ok(); }

  Status operator()(const SweepSubmitted& e) {
    const auto* name = e.spec.if_contains("name");
    const std::string text =
        name != nullptr && name->is_string() ? std::string(name->get_string()) : std::string();
    return db_
        .Prepare("INSERT INTO sweeps(id, name, state, spec, created_ms) VALUES(?,?,'running',?,?)")
        .BindAll(e.sweep.value, text, wire::SerializeJson(e.spec), unix_ms_)
        .Run();
  }
  Status operator()(const SweepChanged& e) {
    if (e.change == SweepChange::kPaused) return SetSweep(e.sweep, "paused");
    if (e.change == SweepChange::kResumed) return SetSweep(e.sweep, "running");
    return Ok();
  }
  Status operator()(const SweepPromoting& e) { return SetSweep(e.sweep, "promoting"); }
  Status operator()(const SweepEnded& e) {
    return db_.Prepare("UPDATE sweeps SET state=?, message=?, ended_ms=? WHERE id=?")
        .BindAll(Text(e.phase), e.message, unix_ms_, e.sweep.value)
        .Run();
  }

  Status operator()(const TrialCreated& e) {
    return db_
        .Prepare(
            "INSERT INTO trials(id, sweep, number, state, run, params, created_ms)"
            " VALUES(?,?,?,'waiting',?,?,?)")
        .BindAll(e.trial.value, e.sweep.value, e.number, e.run.value, wire::SerializeJson(e.params),
                 unix_ms_)
        .Run();
  }
  Status operator()(const TrialEnded& e) {
    // The result's commit: only for the trial's live attempt, and only once.
    auto update =
        db_.Prepare(e.epoch.value != 0 ? "UPDATE trials SET state=?, value=?, message=?, ended_ms=?"
                                         " WHERE id=? AND epoch=? AND state='running'"
                                       : "UPDATE trials SET state=?, value=?, message=?, ended_ms=?"
                                         " WHERE id=? AND ?=0 AND state='waiting'");
    update.BindAll(Text(e.phase), 0.0, e.message, unix_ms_, e.trial.value, e.epoch.value);
    if (e.value) {
      update.Bind(1, *e.value);  // SQLite keeps NaN as NULL; the event has it
    } else {
      update.BindNull(1);
    }
    MUSTER_RETURN_IF_ERROR(update.Run());
    if (db_.changes() == 1) return Ok();
    return Fenced("FENCED: attempt " + std::to_string(e.epoch.value) +
                  " is not the live one of trial " + e.trial.value);
  }
  Status operator()(const TrialRetried& e) {
    return db_
        .Prepare(
            "UPDATE trials SET state='waiting', value=NULL, message='', ended_ms=NULL"
            " WHERE id=?")
        .BindAll(e.trial.value)
        .Run();
  }

  Status operator()(const AttemptStarted& e) {
    MUSTER_RETURN_IF_ERROR(db_.Prepare("INSERT INTO attempts(epoch, trial, node, state, created_ms)"
                                       " VALUES(?,?,?,'preparing',?)")
                               .BindAll(e.epoch.value, e.trial.value, NodeNames(e), unix_ms_)
                               .Run());
    for (const Placement& place : e.places) {
      if (e.places.size() == 1) break;
      MUSTER_RETURN_IF_ERROR(
          db_.Prepare("INSERT INTO members(epoch, node, first_rank, ranks, state)"
                      " VALUES(?,?,?,?,'preparing')")
              .BindAll(e.epoch.value, place.node.value, place.first_rank, place.ranks)
              .Run());
    }
    return db_.Prepare("UPDATE trials SET state='running', epoch=? WHERE id=?")
        .BindAll(e.epoch.value, e.trial.value)
        .Run();
  }
  Status operator()(const AttemptPrepared& e) {
    MUSTER_RETURN_IF_ERROR(SetMember(e.epoch, e.node, "prepared"));
    return db_
        .Prepare(
            "UPDATE attempts SET state='prepared' WHERE epoch=?1 AND state='preparing' AND NOT"
            " EXISTS(SELECT 1 FROM members WHERE epoch=?1 AND state<>'prepared')")
        .BindAll(e.epoch.value)
        .Run();
  }
  Status operator()(const AttemptRunning& e) {
    MUSTER_RETURN_IF_ERROR(SetMember(e.epoch, e.node, "running"));
    return NoteAllRunning(e.epoch);
  }
  Status operator()(const MemberEnded& e) {
    MUSTER_RETURN_IF_ERROR(SetMember(e.epoch, e.node, "exited"));
    return NoteAllRunning(e.epoch);
  }
  Status operator()(const StopDecided& e) { return SetAttempt(e.epoch, "stopping"); }
  Status operator()(const AttemptEnded& e) {
    MUSTER_RETURN_IF_ERROR(
        db_.Prepare("UPDATE attempts SET state='exited', cause=?, message=?, ended_ms=?"
                    " WHERE epoch=?")
            .BindAll(Text(e.cause), e.message, unix_ms_, e.epoch.value)
            .Run());
    // A trial that its attempt did not end goes back to the queue.
    return db_
        .Prepare(
            "UPDATE trials SET state='waiting', message=?"
            " WHERE id=(SELECT trial FROM attempts WHERE epoch=?) AND epoch=?"
            " AND state='running'")
        .BindAll(e.message, e.epoch.value, e.epoch.value)
        .Run();
  }
  Status operator()(const Reported& e) {
    return db_.Prepare("UPDATE attempts SET records_end=max(records_end, ?) WHERE epoch=?")
        .BindAll(e.records_end, e.epoch.value)
        .Run();
  }

  Status operator()(const Noticed& /*e*/) { return Ok(); }

  Status operator()(const OutboxAdded& e) {
    return db_.Prepare("INSERT INTO outbox(id, command) VALUES(?,?)")
        .BindAll(e.id, wire::SerializeJson(CommandToJson(e.command)))
        .Run();
  }
  Status operator()(const OutboxFinished& e) {
    const std::string result = wire::SerializeJson(e.result);
    MUSTER_RETURN_IF_ERROR(db_.Prepare("UPDATE outbox SET done=1, error=?, result=? WHERE id=?")
                               .BindAll(e.error, result, e.id)
                               .Run());
    return db_
        .Prepare(
            "UPDATE sweeps SET promotion=? WHERE id=(SELECT json_extract(command, '$.sweep')"
            " FROM outbox WHERE id=? AND json_extract(command, '$.type')='promote_model')")
        .BindAll(result, e.id)
        .Run();
  }

 private:
  Status SetSweep(const SweepId& id, std::string_view state) {
    return db_.Prepare("UPDATE sweeps SET state=? WHERE id=?").BindAll(state, id.value).Run();
  }
  Status SetMember(AttemptEpoch epoch, const NodeId& node, std::string_view state) {
    return db_.Prepare("UPDATE members SET state=? WHERE epoch=? AND node=?")
        .BindAll(state, epoch.value, node.value)
        .Run();
  }
  Status NoteAllRunning(AttemptEpoch epoch) {
    return db_
        .Prepare(
            "UPDATE attempts SET state='running', started_ms=?2 WHERE epoch=?1 AND"
            " state='prepared' AND NOT EXISTS(SELECT 1 FROM members WHERE epoch=?1 AND"
            " state NOT IN ('running','exited'))")
        .BindAll(epoch.value, unix_ms_)
        .Run();
  }
  Status SetAttempt(AttemptEpoch epoch, std::string_view state) {
    return db_.Prepare("UPDATE attempts SET state=? WHERE epoch=?")
        .BindAll(state, epoch.value)
        .Run();
  }

  sqlite::Database& db_;
  UnixMillis unix_ms_;
};

}  // namespace

Status ApplyToTables(sqlite::Database& database, const coordinator::Event& event) {
  return std::visit(TableWriter(database, event.unix_ms), event.body);
}

}  // namespace muster::journal
