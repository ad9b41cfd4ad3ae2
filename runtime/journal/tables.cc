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
  TableWriter(sqlite::Database& database, UnixMillis unix_ms,
              std::unordered_set<std::int64_t>& spread)
      : db_(database), unix_ms_(unix_ms), spread_(spread) {}

  Status operator()(const CoordinatorStarted& /*e*/) { return Ok(); }
  Status operator()(const NodeSeen& /*e*/) { return Ok(); }
  Status operator()(const NodeChanged& /*e*/) { return Ok(); }
  Status operator()(const LogRuleFired& /*e*/) { return Ok(); }

  Status operator()(const QuotaSet& /*e*/) { return Ok(); }
  Status operator()(const TrialEnqueued& /*e*/) { return Ok(); }
  Status operator()(const SpaceWidened& /*e*/) { return Ok(); }
  Status operator()(const PoolSet& /*e*/) { return Ok(); }
  Status operator()(const PoolChanged& /*e*/) { return Ok(); }
  Status operator()(const AllocationAsked& /*e*/) { return Ok(); }
  Status operator()(const AllocationSeen& /*e*/) { return Ok(); }
  Status operator()(const AllocationLeft& /*e*/) { return Ok(); }
  Status operator()(const AllocationEnded& /*e*/) { return Ok(); }
  Status operator()(const AllocationUsed& /*e*/) { return Ok(); }
  Status operator()(const NodeLeft& /*e*/) { return Ok(); }
  Status operator()(const NodeForgotten& /*e*/) { return Ok(); }

  Status operator()(const SweepSubmitted& e) {
    return db_.Prepare("INSERT INTO sweeps(id, name, state, created_ms) VALUES(?,?,'running',?)")
        .RunWith(e.sweep.value, e.spec.name, unix_ms_);
  }
  Status operator()(const SweepChanged& e) {
    if (e.change == SweepChange::kPaused) return SetSweep(e.sweep, "paused");
    if (e.change == SweepChange::kResumed) return SetSweep(e.sweep, "running");
    return Ok();
  }
  Status operator()(const SweepPromoting& e) { return SetSweep(e.sweep, "promoting"); }
  Status operator()(const SweepEnded& e) {
    return db_.Prepare("UPDATE sweeps SET state=?, message=?, ended_ms=? WHERE id=?")
        .RunWith(Text(e.phase), e.message, unix_ms_, e.sweep.value);
  }

  Status operator()(const TrialCreated& e) {
    return db_
        .Prepare(
            "INSERT INTO trials(id, sweep, number, state, run, params, created_ms)"
            " VALUES(?,?,?,'waiting',?,?,?)")
        .RunWith(e.trial.value, e.sweep.value, e.number, e.run.value, wire::SerializeJson(e.params),
                 unix_ms_);
  }
  Status operator()(const TrialEnded& e) {
    // The result's commit: only for the trial's live attempt, and only once.
    auto update = db_.Prepare(e.epoch.value != 0
                                  ? "UPDATE trials SET state=?, value=?, message=?, ended_ms=?"
                                    " WHERE id=? AND epoch=? AND state IN ('running','pausing')"
                                  : "UPDATE trials SET state=?, value=?, message=?, ended_ms=?"
                                    " WHERE id=? AND ?=0 AND state IN ('waiting','paused')");
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
        .RunWith(e.trial.value);
  }

  Status operator()(const TrialPaused& e) {
    return db_.Prepare("UPDATE trials SET state='pausing' WHERE id=?").RunWith(e.trial.value);
  }
  Status operator()(const TrialResumed& e) {
    return db_
        .Prepare(
            "UPDATE trials SET state=CASE state WHEN 'pausing' THEN 'running' ELSE 'waiting'"
            " END WHERE id=?")
        .RunWith(e.trial.value);
  }

  Status operator()(const AttemptStarted& e) {
    MUSTER_RETURN_IF_ERROR(db_.Prepare("INSERT INTO attempts(epoch, trial, node, state, created_ms)"
                                       " VALUES(?,?,?,'preparing',?)")
                               .RunWith(e.epoch.value, e.trial.value, NodeNames(e), unix_ms_));
    for (const Placement& place : e.places) {
      if (e.places.size() == 1) break;
      spread_.insert(e.epoch.value);
      MUSTER_RETURN_IF_ERROR(
          db_.Prepare("INSERT INTO members(epoch, node, first_rank, ranks, state)"
                      " VALUES(?,?,?,?,'preparing')")
              .RunWith(e.epoch.value, place.node.value, place.first_rank, place.ranks));
    }
    return db_.Prepare("UPDATE trials SET state='running', epoch=? WHERE id=?")
        .RunWith(e.epoch.value, e.trial.value);
  }
  Status operator()(const AttemptPrepared& e) {
    MUSTER_RETURN_IF_ERROR(SetMember(e.epoch, e.node, "prepared"));
    return db_
        .Prepare(
            "UPDATE attempts SET state='prepared' WHERE epoch=?1 AND state='preparing' AND NOT"
            " EXISTS(SELECT 1 FROM members WHERE epoch=?1 AND state<>'prepared')")
        .RunWith(e.epoch.value);
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
            .RunWith(Text(e.cause), e.message, unix_ms_, e.epoch.value));
    // A trial that its attempt did not end goes back to the queue, or stands where it was paused.
    return db_
        .Prepare(
            "UPDATE trials SET state=CASE state WHEN 'pausing' THEN 'paused' ELSE 'waiting' END,"
            " message=? WHERE id=(SELECT trial FROM attempts WHERE epoch=?) AND epoch=?"
            " AND state IN ('running','pausing')")
        .RunWith(e.message, e.epoch.value, e.epoch.value);
  }
  Status operator()(const Reported& /*e*/) { return Ok(); }
  Status operator()(const Noticed& /*e*/) { return Ok(); }

  Status operator()(const OutboxAdded& e) {
    const auto* promote = std::get_if<PromoteModel>(&e.command);
    const std::string run = RunOf(e.command).value;
    return db_.Prepare("INSERT INTO outbox(id, type, run, sweep) VALUES(?,?,?,?)")
        .RunWith(e.id, CommandName(e.command), run, promote ? promote->sweep.value : std::string());
  }
  Status operator()(const OutboxFinished& e) {
    std::string promoted;  // the sweep
    {
      auto row = db_.Prepare("DELETE FROM outbox WHERE id=? RETURNING sweep");
      row.BindAll(e.id);
      MUSTER_ASSIGN_OR_RETURN(const bool found, row.Step());
      if (found) promoted = row.Text(0);
    }
    if (promoted.empty()) return Ok();
    return db_.Prepare("UPDATE sweeps SET promotion=? WHERE id=?")
        .RunWith(wire::SerializeJson(e.result), promoted);
  }

 private:
  Status SetSweep(const SweepId& id, std::string_view state) {
    return db_.Prepare("UPDATE sweeps SET state=? WHERE id=?").RunWith(state, id.value);
  }
  Status SetMember(AttemptEpoch epoch, const NodeId& node, std::string_view state) {
    if (!spread_.contains(epoch.value)) return Ok();
    return db_.Prepare("UPDATE members SET state=? WHERE epoch=? AND node=?")
        .RunWith(state, epoch.value, node.value);
  }
  Status NoteAllRunning(AttemptEpoch epoch) {
    return db_
        .Prepare(
            "UPDATE attempts SET state='running', started_ms=?2 WHERE epoch=?1 AND"
            " state='prepared' AND NOT EXISTS(SELECT 1 FROM members WHERE epoch=?1 AND"
            " state NOT IN ('running','exited'))")
        .RunWith(epoch.value, unix_ms_);
  }
  Status SetAttempt(AttemptEpoch epoch, std::string_view state) {
    return db_.Prepare("UPDATE attempts SET state=? WHERE epoch=?").RunWith(state, epoch.value);
  }

  sqlite::Database& db_;
  UnixMillis unix_ms_;
  std::unordered_set<std::int64_t>& spread_;
};

}  // namespace

Status Tables::Open(sqlite::Database& database) {
  auto rows = database.Prepare("SELECT DISTINCT epoch FROM members");
  for (;;) {
    MUSTER_ASSIGN_OR_RETURN(const bool row, rows.Step());
    if (!row) return Ok();
    spread_.insert(rows.Int(0));
  }
}

Status Tables::Apply(sqlite::Database& database, const coordinator::Event& event) {
  return std::visit(TableWriter(database, event.unix_ms, spread_), event.body);
}

}  // namespace muster::journal
