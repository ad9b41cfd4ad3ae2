#include "runtime/journal/sqlite_journal.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "runtime/base/random.h"
#include "runtime/coordinator/state.h"
#include "runtime/journal/schema.h"
#include "runtime/wire/codec.h"
#include "runtime/wire/sweep_spec.h"

namespace muster::journal {
namespace {

using namespace coordinator;
using ::testing::HasSubstr;

class SqliteJournalTest : public testing::Test {
 protected:
  SqliteJournalTest() { std::filesystem::create_directories(folder_); }
  ~SqliteJournalTest() override { std::filesystem::remove_all(folder_); }

  [[nodiscard]] std::filesystem::path file() const { return folder_ / "coordinator.db"; }
  [[nodiscard]] std::unique_ptr<SqliteJournal> OpenJournal() const {
    auto journal = SqliteJournal::Open(file());
    EXPECT_TRUE(journal.ok()) << journal.error().message;
    return std::move(journal).value();
  }
  /// `SELECT` of one text.
  [[nodiscard]] std::string Query(const std::string& sql) const {
    auto database = sqlite::Database::Open(file());
    auto statement = database->Prepare(sql);
    const auto row = statement.Step();
    return row.ok() && *row ? std::string(statement.Text(0)) : "no row";
  }

  std::filesystem::path folder_ =
      std::filesystem::temp_directory_path() / ("muster-journal-" + RandomHex(8));
};

wire::SweepSpec Spec() {
  wire::SweepSpec spec;
  spec.name = "s";
  return spec;
}

/// A sweep, one trial and its first attempt.
std::vector<Event> OneRunning() {
  return {{1, CoordinatorStarted{CoordinatorEpoch(1)}},
          {2, SweepSubmitted{SweepId("s"), Spec()}},
          {3, TrialCreated{TrialId("s/0"), SweepId("s"), 0, {{"lr", 0.1}}, RunId("r0"), 0}},
          {4, AttemptStarted{.epoch = AttemptEpoch(1),
                             .trial = TrialId("s/0"),
                             .places = {{NodeId("a"), 0, 1, {0}, {}}},
                             .token = "token"}}};
}

std::vector<Event> Completed() {
  Reported reported;
  reported.epoch = AttemptEpoch(1);
  reported.records_end = 10;
  reported.reports = {{1, 5, 0.9}};
  return {
      {5, AttemptPrepared{AttemptEpoch(1), NodeId("a"), "127.0.0.1", 5000}},
      {6, AttemptRunning{AttemptEpoch(1), NodeId("a")}},
      {7, reported},
      {8, TrialEnded{TrialId("s/0"), AttemptEpoch(1), TrialPhase::kComplete, 0.9, ""}},
      {9, OutboxAdded{"o1", PromoteModel{SweepId("s"), TrialId("s/0"), RunId("r0"), "", "",
                                         wire::ToJson(Spec()).as_object()}}},
      {10, AttemptEnded{AttemptEpoch(1), wire::ExitCause::kSuccess, "exit 0", Charge::kNothing}},
      {11, OutboxFinished{"o1", "", {{"state", "promoted"}}}},
      {12, SweepEnded{SweepId("s"), SweepPhase::kComplete, ""}}};
}

std::string Replay(const std::vector<Event>& events) {
  State state;
  for (const Event& event : events) ApplyEvent(state, event);
  return wire::SerializeJson(Dump(state));
}

TEST_F(SqliteJournalTest, Append_SurvivesClosingAndGivesTheSameState) {
  std::vector<Event> all = OneRunning();
  {
    auto journal = OpenJournal();
    ASSERT_TRUE(journal->Append(all).ok());
    ASSERT_TRUE(journal->Append(Completed()).ok());
  }
  for (const Event& event : Completed()) all.push_back(event);
  auto loaded = OpenJournal()->Load();
  ASSERT_TRUE(loaded.ok());
  EXPECT_EQ(Replay(*loaded), Replay(all));
}

TEST_F(SqliteJournalTest, Tables_EqualWhatReplayGives) {
  auto journal = OpenJournal();
  ASSERT_TRUE(journal->Append(OneRunning()).ok());
  EXPECT_EQ(Query("SELECT state || epoch FROM trials"), "running1");
  EXPECT_EQ(Query("SELECT state FROM attempts"), "preparing");
  ASSERT_TRUE(journal->Append(Completed()).ok());
  State state;
  auto loaded = journal->Load();
  for (const Event& event : *loaded) ApplyEvent(state, event);
  const Trial& trial = *state.FindTrial(TrialId("s/0"));
  EXPECT_EQ(trial.phase, TrialPhase::kComplete);
  EXPECT_EQ(Query("SELECT state || ' ' || value FROM trials"), "complete 0.9");
  EXPECT_EQ(Query("SELECT state || ' ' || cause FROM attempts"), "exited success");
  EXPECT_EQ(Query("SELECT state || ' ' || promotion FROM sweeps"),
            R"(complete {"state":"promoted"})");
  EXPECT_EQ(Query("SELECT count(*) FROM outbox"), "0");
}

TEST_F(SqliteJournalTest, PoliciesEvents_GiveTheSameStateAndTables) {
  std::vector<Event> all = OneRunning();
  auto spec = Spec();
  spec.on_log = {{"fatal", wire::LogReaction::kFail}};
  all[1].body = SweepSubmitted{SweepId("s"), spec};
  for (Event& event : std::vector<Event>{
           {5, NodeChanged{NodeId("a"), NodeChange::kDrained, "new kernel", false}},
           {6, AttemptEnded{AttemptEpoch(1), wire::ExitCause::kOom, "killed", Charge::kOom, 137,
                            false, true}},
           {7, LogRuleFired{AttemptEpoch(1), 0, NodeId("a"), "0.err", "fatal", true}},
           {8, TrialEnded{TrialId("s/0"), {}, TrialPhase::kFailed, {}, "fatal"}}}) {
    all.push_back(std::move(event));
  }
  ASSERT_TRUE(OpenJournal()->Append(all).ok());
  const auto loaded = OpenJournal()->Load();
  ASSERT_TRUE(loaded.ok()) << loaded.error().message;
  EXPECT_EQ(Replay(*loaded), Replay(all));
  EXPECT_EQ(Query("SELECT state || ' ' || message FROM trials"), "failed fatal");
}

TEST_F(SqliteJournalTest, GangOnTwoNodes_IsReadyAndRunsWhenBothDo) {
  std::vector<Event> all = OneRunning();
  auto& started = std::get<AttemptStarted>(all.back().body);
  started.places = {{NodeId("a"), 0, 1, {0}, {}}, {NodeId("b"), 1, 1, {0}, {}}};
  auto journal = OpenJournal();
  ASSERT_TRUE(journal->Append(all).ok());
  const auto state_after = [&](EventBody body) {
    EXPECT_TRUE(journal->Append({{9, std::move(body)}}).ok());
    return Query("SELECT state FROM attempts");
  };
  const AttemptEpoch epoch(1);
  EXPECT_EQ(state_after(AttemptPrepared{epoch, NodeId("b"), "b", 1}), "preparing");
  EXPECT_EQ(state_after(AttemptPrepared{epoch, NodeId("a"), "a", 1}), "prepared");
  EXPECT_EQ(state_after(AttemptRunning{epoch, NodeId("a")}), "prepared");
  EXPECT_EQ(state_after(MemberEnded{epoch, NodeId("b"), wire::ExitCause::kUser, "exit 3", 3}),
            "running");
  EXPECT_EQ(Query("SELECT node FROM attempts"), "a, b");
}

/// As the first muster wrote it: one node a gang, its slots beside its name, two budgets.
TEST_F(SqliteJournalTest, DatabaseOfTheFirstVersion_IsUpgradedInPlaceAndRead) {
  {
    auto database = sqlite::Database::Open(file());
    ASSERT_TRUE(database->Migrate({Migrations().front()}).ok());
    const std::pair<const char*, const char*> kEvents[] = {
        {"node_seen", R"({"node":"a","host":"h","slots":2,"gpus":1,"labels":{}})"},
        {"sweep_submitted",
         R"({"sweep":"s","spec":{"name":"s","trial":{"command":["x"],"ranks":2,)"
         R"("resources":{"cpu":1,"gpu":0,"memory_bytes":0}},"retry":{"infra":5,"user":0}}})"},
        {"trial_created",
         R"({"trial":"s/0","sweep":"s","number":0,"params":{},"run":"r0","history_position":0})"},
        {"attempt_started",
         R"({"epoch":1,"trial":"s/0","node":"a","slots":[0,1],"gpus":0,"token":"t"})"},
        {"attempt_prepared", R"({"epoch":1,"address":"127.0.0.1","port":5000})"},
        {"attempt_running", R"({"epoch":1})"},
        {"reported", R"({"epoch":1,"records_end":10,"step":1})"}};
    for (const auto& [type, json] : kEvents) {
      ASSERT_TRUE(database->Prepare("INSERT INTO events(unix_ms, type, json) VALUES(1,?,?)")
                      .BindAll(type, json)
                      .Run()
                      .ok());
    }
    ASSERT_TRUE(
        database
            ->Execute("INSERT INTO outbox(id, done, command) VALUES"
                      R"(('o0', 1, '{"type":"create_run","run":"r9","trial":"s/9"}'),)"
                      R"(('o1', 0, '{"type":"create_run","run":"r0","trial":"s/0"}'),)"
                      R"(('o2', 0, '{"type":"promote_model","sweep":"s","run":"r0"}');)"
                      "INSERT INTO sweeps VALUES('s', 's', 'running', '{}', '', NULL, 1, NULL);"
                      "INSERT INTO trials VALUES"
                      "('s/0', 's', 0, 'running', 1, 'r0', '{}', 0.5, 'words', 1, NULL);"
                      "INSERT INTO attempts VALUES"
                      "(1, 's/0', 'a', 'running', NULL, 'so', 10, 1, 2, NULL)")
            .ok());
  }
  const auto loaded = OpenJournal()->Load();
  ASSERT_TRUE(loaded.ok()) << loaded.error().message;
  EXPECT_EQ(
      Query("SELECT group_concat(id || ' ' || type || ' ' || run || ' ' || sweep) FROM outbox"),
      "o1 create_run r0 ,o2 promote_model r0 s");
  EXPECT_EQ(Query("SELECT state || ' ' || epoch || ' ' || run || ' ' || value || ' ' || message"
                  " FROM trials"),
            "running 1 r0 0.5 words");
  EXPECT_EQ(Query("SELECT trial || ' ' || node || ' ' || state || ' ' || message || ' ' ||"
                  " started_ms FROM attempts"),
            "s/0 a running so 2");
  State state;
  for (const Event& event : *loaded) ApplyEvent(state, event);
  const Attempt& attempt = state.attempts.at(AttemptEpoch(1));
  ASSERT_EQ(attempt.members.size(), 1U);
  EXPECT_EQ(attempt.NodeNames(), "a");
  EXPECT_EQ(attempt.phase, wire::AttemptPhase::kRunning);
  EXPECT_EQ(attempt.members.front().records_end, 10);
  EXPECT_EQ(state.nodes.at(NodeId("a")).free(), 0);
  EXPECT_EQ(state.nodes.at(NodeId("a")).devices.size(), 1U);
  EXPECT_EQ(Query("SELECT count(*) FROM members"), "0");
}

TEST_F(SqliteJournalTest, ResultOfAnotherAttempt_IsFencedAndNothingOfTheBatchKept) {
  auto journal = OpenJournal();
  ASSERT_TRUE(journal->Append(OneRunning()).ok());
  const Status status = journal->Append(
      {{5, AttemptPrepared{AttemptEpoch(1), NodeId("a"), "127.0.0.1", 5000}},
       {6, TrialEnded{TrialId("s/0"), AttemptEpoch(7), TrialPhase::kComplete, 0.9, ""}}});
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().kind, ErrorKind::kFenced);
  EXPECT_EQ(journal->Load()->size(), OneRunning().size());
  EXPECT_EQ(Query("SELECT state FROM attempts"), "preparing");
}

TEST_F(SqliteJournalTest, SecondResult_IsFenced) {
  auto journal = OpenJournal();
  ASSERT_TRUE(journal->Append(OneRunning()).ok());
  const Event result{6, TrialEnded{TrialId("s/0"), AttemptEpoch(1), TrialPhase::kComplete, 1, ""}};
  ASSERT_TRUE(journal->Append({result}).ok());
  EXPECT_EQ(journal->Append({result}).error().kind, ErrorKind::kFenced);
}

TEST_F(SqliteJournalTest, CrashBetweenStatements_LeavesNothingOfTheTransaction) {
  ASSERT_TRUE(OpenJournal()->Append(OneRunning()).ok());
  {
    // What Append does, up to the crash.
    auto database = sqlite::Database::Open(file());
    ASSERT_TRUE(database->Begin().ok());
    ASSERT_TRUE(database
                    ->Execute("INSERT INTO events(unix_ms, type, json)"
                              " VALUES(5, 'attempt_running', '{\"epoch\":1}')")
                    .ok());
  }
  EXPECT_EQ(Replay(*OpenJournal()->Load()), Replay(OneRunning()));
  EXPECT_EQ(Query("SELECT state FROM attempts"), "preparing");
}

TEST_F(SqliteJournalTest, FullDisk_SaysSoAndKeepsWhatWasAcknowledged) {
  {
    auto database = sqlite::Database::Open(file());
    ASSERT_TRUE(database->Execute("PRAGMA max_page_count=40").ok());
    auto journal = SqliteJournal::Over(std::move(database).value());
    ASSERT_TRUE(journal.ok()) << journal.error().message;
    ASSERT_TRUE((*journal)->Append(OneRunning()).ok());
    Reported large;
    large.epoch = AttemptEpoch(1);
    large.records_end = 10;
    large.result_checkpoint = std::string(1 << 20, 'x');
    const Status status = (*journal)->Append({{5, large}});
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(status.error().kind, ErrorKind::kResource);
    EXPECT_THAT(status.error().message, HasSubstr("coordinator.db"));
    EXPECT_THAT(status.error().message, HasSubstr("full"));
  }
  EXPECT_EQ(Replay(*OpenJournal()->Load()), Replay(OneRunning()));
}

TEST_F(SqliteJournalTest, UnknownEvent_IsCorruptAndNamesIt) {
  ASSERT_TRUE(OpenJournal()->Append(OneRunning()).ok());
  auto database = sqlite::Database::Open(file());
  ASSERT_TRUE(database->Execute("UPDATE events SET type='rain' WHERE seq=3").ok());
  const auto loaded = OpenJournal()->Load();
  ASSERT_FALSE(loaded.ok());
  EXPECT_EQ(loaded.error().kind, ErrorKind::kCorrupt);
  EXPECT_THAT(loaded.error().message, HasSubstr("event 3"));
  EXPECT_THAT(loaded.error().message, HasSubstr("rain"));
}

}  // namespace
}  // namespace muster::journal
