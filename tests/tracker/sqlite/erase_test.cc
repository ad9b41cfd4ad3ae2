#include "tracker/sqlite/erase.h"

#include <gmock/gmock.h>

#include <atomic>
#include <map>
#include <thread>

#include "tests/tracker/sqlite/store_fixture.h"
#include "tracker/sqlite/check.h"
#include "tracker/sqlite/rows.h"

namespace muster::tracker {
namespace {

using testing::IsEmpty;

class EraseTest : public StoreTest {
 protected:
  void Delete(const RunId& run) {
    ASSERT_TRUE(Wait<Status>([&](auto done) { store_->SetRunDeleted(run, true, done); }).ok());
  }
  /// Marks all that may go.
  std::size_t Mark() {
    std::size_t marked = 0;
    const ErasureScope scope{.deleted_before = clock_.UnixNow()};
    for (const ErasableKind kind :
         {ErasableKind::kRun, ErasableKind::kLoggedModel, ErasableKind::kExperiment}) {
      auto page = store_->FindErasable(kind, scope, 1'000, "", false).value();
      marked += Wait<Result<std::vector<Erasable>>>([&](auto done) {
                  store_->Erase(std::move(page.items), scope.deleted_before, std::move(done));
                })
                    .value()
                    .size();
    }
    return marked;
  }
  ErasedRows Step() {
    return Wait<Result<ErasedRows>>([&](auto done) { store_->EraseRows(std::move(done)); }).value();
  }
  /// How many rows each table has.
  std::map<std::string, std::int64_t> Tables() {
    std::map<std::string, std::int64_t> counts;
    sqlite::Database db = Raw();
    auto names = db.Prepare(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'");
    EXPECT_TRUE(ForEachRow(names, [&](const sqlite::Statement& row) {
                  const std::string name(row.Text(0));
                  auto count = db.Prepare("SELECT count(*) FROM " + name);
                  EXPECT_TRUE(count.Step().ok());
                  counts[name] = count.Int(0);
                }).ok());
    return counts;
  }
  void ExpectInOrder() { EXPECT_THAT(CheckTrackerDatabase(file())->problems, IsEmpty()); }

  /// One row of every kind that the port can write, in an experiment of its own.
  void FillEverything() {
    const std::string experiment =
        Wait<Result<std::string>>([&](auto done) {
          store_->CreateExperiment("e", "", {{"k", "v"}}, std::move(done));
        }).value();
    const auto run = Wait<Result<tracker::Run>>([&](auto done) {
      store_->CreateRun({.run_id = RunId("full"), .experiment_id = experiment}, std::move(done));
    });
    ASSERT_TRUE(run.ok());
    const LoggedModel model = Wait<Result<LoggedModel>>([&](auto done) {
                                store_->CreateLoggedModel({.experiment_id = experiment,
                                                           .name = "m",
                                                           .tags = {{"t", "1"}},
                                                           .params = {{"p", "1"}}},
                                                          std::move(done));
                              }).value();
    Batch batch = Steps(0, 2'000);
    batch.params = {{"p", "1"}};
    batch.metrics.push_back({.key = "acc", .value = 1, .model_id = model.model_id});
    batch.metrics.push_back({.key = "acc", .value = 1, .rank = 3});
    batch.places = {{.rank = 3, .node = "n1"}};
    ASSERT_TRUE(Log(RunId("full"), std::move(batch)).ok());
    const auto write = [&](auto call) { ASSERT_TRUE(Wait<Status>(call).ok()); };
    write([&](auto done) { store_->ResumeAt(RunId("full"), 2, 5, done); });
    write([&](auto done) {
      store_->LogInputs(RunId("full"), {{{.name = "d", .digest = "1"}, {{"k", "v"}}}},
                        {model.model_id}, done);
    });
    write([&](auto done) { store_->LogOutputs(RunId("full"), {{model.model_id, 1}}, done); });
    write([&](auto done) { store_->SetExperimentDeleted(experiment, true, done); });
  }
};

TEST_F(EraseTest, NothingIsLeftInAnyTable) {
  const auto fresh = Tables();
  FillEverything();
  for (const auto& [table, rows] : Tables()) {
    const bool starts_empty = table.starts_with("erased_");
    EXPECT_EQ(rows == 0, starts_empty) << table;
  }
  EXPECT_EQ(Mark(), 2U);
  while (Step().more) {
  }
  EXPECT_EQ(Mark(), 1U) << "the experiment, once it is empty";
  auto wanted = fresh;
  wanted["erased_experiments"] = 1;
  wanted["erased_roots"] = 2;
  EXPECT_EQ(Tables(), wanted);
  ExpectInOrder();
}

TEST_F(EraseTest, AStepIsBounded_AndWhatIsHalfGoneIsSeenByNobody) {
  const RunId kept = CreateRun("kept"), gone = CreateRun("gone");
  Batch many;
  for (int key = 0; key < 900; ++key) {
    many.metrics.push_back({.key = "key" + std::to_string(key), .value = 1});
    many.params.push_back({"param" + std::to_string(key), "1"});
  }
  for (const RunId& run : {kept, gone}) {
    ASSERT_TRUE(Log(run, many).ok());
    for (int at = 0; at < 5; ++at) ASSERT_TRUE(Log(run, Steps(20'000 * at, 20'000)).ok());
  }
  Delete(gone);
  ASSERT_EQ(Mark(), 1U);
  std::int64_t steps = 0, points = 0;
  for (bool more = true; more; ++steps) {
    const ErasedRows rows = Step();
    EXPECT_LE(rows.rows, kEraseStep);
    points += rows.points;
    more = rows.more;
    EXPECT_TRUE(
        store_->SearchRuns({.experiment_ids = {"0"}, .view = ViewType::kAll})->items.size() == 1);
    ExpectInOrder();
  }
  EXPECT_GE(steps, 3);
  EXPECT_EQ(points, 100'900);
  EXPECT_EQ(store_->GetRun(kept)->metrics.size(), 901U);
  EXPECT_EQ(store_->GetRun(kept)->params.size(), 900U);
}

TEST_F(EraseTest, WritersGoOnMeanwhile_AndLoseNothing) {
  std::vector<RunId> live;
  for (int run = 0; run < 3; ++run) live.push_back(CreateRun("live" + std::to_string(run)));
  for (int run = 0; run < 40; ++run) {
    const RunId gone = CreateRun("gone" + std::to_string(run));
    ASSERT_TRUE(Log(gone, Steps(0, 1'500)).ok());
    Delete(gone);
  }
  std::atomic<bool> stop = false;
  std::vector<std::int64_t> logged(live.size());
  std::vector<std::thread> writers;
  for (std::size_t writer = 0; writer < live.size(); ++writer) {
    writers.emplace_back([&, writer] {
      std::int64_t& at = logged[writer];
      for (; !stop || at < 30; ++at) ASSERT_TRUE(Log(live[writer], Steps(50 * at, 50)).ok());
    });
  }
  EXPECT_EQ(Mark(), 40U);
  while (Step().more) {
  }
  stop = true;
  for (std::thread& writer : writers) writer.join();
  store_.reset();
  const CheckReport report = CheckTrackerDatabase(file()).value();
  EXPECT_THAT(report.problems, IsEmpty());
  EXPECT_EQ(report.runs, 3);
  Open();
  std::int64_t wanted = 0;
  for (std::size_t writer = 0; writer < live.size(); ++writer) {
    wanted += 50 * logged[writer];
    EXPECT_EQ(store_->GetRun(live[writer])->metrics[0].step, 50 * logged[writer] - 1);
  }
  EXPECT_EQ(report.points, wanted);
}

TEST_F(EraseTest, ARowThatIsUsedAgain_HasNothingOfTheOneBefore) {
  const RunId gone = CreateRun("gone");
  ASSERT_TRUE(Log(gone, Steps(0, 2'000)).ok());  // the writer remembers its series
  Delete(gone);
  ASSERT_EQ(Mark(), 1U);
  while (Step().more) {
  }
  const RunId next = CreateRun("next");
  ASSERT_TRUE(Log(next, Steps(5, 3)).ok());
  EXPECT_EQ(store_->MetricHistory(next, "loss", 100, "")->items.size(), 3U);
  store_.reset();
  ExpectInOrder();
}

TEST_F(EraseTest, TooManyAtOnce_AreRefused) {
  const auto refused = Wait<Result<std::vector<Erasable>>>([&](auto done) {
    store_->Erase(std::vector<Erasable>(kMostErasedAtOnce + 1), 0, std::move(done));
  });
  EXPECT_EQ(refused.error().kind, ErrorKind::kInvalid);
}

}  // namespace
}  // namespace muster::tracker
