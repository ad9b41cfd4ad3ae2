#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <future>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "runtime/base/clock.h"
#include "runtime/base/random.h"
#include "runtime/sim/disk_vfs.h"
#include "tracker/sqlite/check.h"
#include "tracker/sqlite/run_store.h"
#include "tracker/sqlite/schema.h"

/// A tracker on a simulated disk that dies in the middle of anything, loses what was not synced, or fails for a
/// while: whatever was acknowledged is there afterwards, once, and nothing else but what was under way.
/// MUSTER_POWER_LOSS_SEEDS=N runs N seeds instead of a few.

namespace muster::tracker {
namespace {

using PointKey = std::tuple<std::string, std::string, std::int64_t, std::int64_t, double>;
using ParamKey = std::tuple<std::string, std::string, std::string>;

/// What was written, by what came of it.
struct Written {
  std::set<PointKey> points;
  std::set<ParamKey> params;  // and tags

  void Add(const Written& other) {
    points.insert(other.points.begin(), other.points.end());
    params.insert(other.params.begin(), other.params.end());
  }
};

struct Pending {
  Written what;
  std::future<Status> status;
};

class PowerLoss {
 public:
  explicit PowerLoss(std::uint64_t seed) : random_(seed), disk_(Random(seed, 1)), vfs_(disk_) {}

  void Run() {
    for (int life = 0; life < 4; ++life) {
      if (random_.Chance(0.8)) disk_.DieAfter(static_cast<std::int64_t>(random_.Below(400)));
      Live();
      store_.reset();
      disk_.Mend();
      if (random_.Chance(0.7)) disk_.LosePower();
      disk_.Restart();
      Verify("life " + std::to_string(life));
      if (testing::Test::HasFatalFailure()) return;
    }
  }
  [[nodiscard]] std::size_t points() const { return acknowledged_.points.size(); }
  [[nodiscard]] std::size_t erased() const { return erased_.size(); }

 private:
  void Open() {
    auto store = OpenSqliteRunStore("tracker.db", clock_, {.vfs = vfs_.name().c_str()});
    if (store.ok()) store_ = std::move(*store);
  }

  /// Writes until the disk dies or there was enough of it, some things at once.
  void Live() {
    Open();
    const int rounds = 5 + static_cast<int>(random_.Below(40));
    for (int round = 0; round < rounds && store_; ++round) {
      MaybeFail();
      std::vector<Pending> pending;
      for (std::uint64_t n = 1 + random_.Below(4); n > 0; --n) pending.push_back(Write());
      for (Pending& one : pending) {
        const bool stored = one.status.get().ok();
        (stored ? acknowledged_ : under_way_).Add(one.what);
      }
    }
  }

  void MaybeFail() {
    if (random_.Chance(0.1)) {
      const auto failure = static_cast<sim::Disk::Failure>(random_.Below(3));
      const double chance = random_.Uniform();
      vfs_.Between([&](sim::Disk& disk) { disk.FailFrom(failure, chance); });
    } else if (random_.Chance(0.3)) {
      vfs_.Between([](sim::Disk& disk) { disk.Mend(); });
    }
  }

  Pending Write() {
    const std::string run = "run" + std::to_string(random_.Below(3));
    if (random_.Chance(0.1)) return Create(run);
    if (random_.Chance(0.05)) return End(run);
    if (random_.Chance(0.1)) return ThrowAway();
    if (random_.Chance(0.15)) return random_.Chance(0.5) ? Erase() : EraseRows();
    if (!earlier_.empty() && random_.Chance(0.2)) {
      const auto& [again, batch] = earlier_[random_.Below(earlier_.size())];
      return Log(again, batch);
    }
    Batch batch = NewBatch();
    if (batch.metrics.size() < 2'000) earlier_.emplace_back(run, batch);
    return Log(run, std::move(batch));
  }

  Batch NewBatch() {
    Batch batch;
    const std::string key = "key" + std::to_string(random_.Below(3));
    const std::uint64_t size = random_.Chance(0.3) ? random_.Below(1'500) : random_.Below(20);
    for (std::uint64_t i = 0; i < size; ++i) {
      ++step_;
      const bool late = random_.Chance(0.02);
      batch.metrics.push_back({.key = key,
                               .value = static_cast<double>(step_) / 3,
                               .timestamp_ms = late ? step_ / 2 : step_,
                               .step = step_});
    }
    const std::string number = std::to_string(++step_);
    if (random_.Chance(0.3)) batch.params.push_back({"param" + number, number});
    if (random_.Chance(0.3)) batch.tags.push_back({"tag" + number, number});
    return batch;
  }

  Pending Log(const std::string& run, const Batch& batch) {
    Pending pending;
    for (const Metric& m : batch.metrics) {
      pending.what.points.insert({run, m.key, m.timestamp_ms, m.step, m.value});
    }
    for (const auto* tags : {&batch.params, &batch.tags}) {
      for (const Tag& tag : *tags) pending.what.params.insert({run, tag.key, tag.value});
    }
    pending.status = Done([&](auto done) { store_->LogBatch(RunId(run), batch, done); });
    return pending;
  }
  Pending Create(const std::string& run) {
    return {{}, Done([&](auto done) {
              store_->CreateRun({.run_id = RunId(run)}, [done](const Result<tracker::Run>& made) {
                done(made.ok() ? Ok() : Status(made.error()));
              });
            })};
  }
  Pending End(const std::string& run) {
    return {{}, Done([&](auto done) {
              store_->UpdateRun(RunId(run), {.status = RunStatus::kFinished},
                                [done](const Result<RunInfo>& info) {
                                  done(info.ok() ? Ok() : Status(info.error()));
                                });
            })};
  }
  /// A run that is made, filled and deleted: what EraseRows removes while the others are written.
  Pending ThrowAway() {
    const RunId run("gone" + std::to_string(++thrown_away_));
    Batch batch{.params = {{"p", "1"}}};
    for (std::uint64_t step = random_.Below(3'000); step > 0; --step) {
      batch.metrics.push_back({.key = "key" + std::to_string(step % 3),
                               .value = 1,
                               .timestamp_ms = static_cast<std::int64_t>(step)});
    }
    store_->CreateRun({.run_id = run}, [](const auto&) {});
    store_->LogBatch(run, std::move(batch), [](const auto&) {});
    return {{}, Done([&](auto done) { store_->SetRunDeleted(run, true, done); })};
  }
  Pending Erase() {
    const UnixMillis now = clock_.UnixNow();
    auto found = store_->FindErasable(ErasableKind::kRun, {.deleted_before = now}, 2, "", true);
    std::vector<Erasable> things;
    if (found.ok()) things = std::move(found->items);
    return {{}, Done([&](auto done) {
              store_->Erase(std::move(things), now,
                            [this, done](const Result<std::vector<Erasable>>& erased) {
                              if (!erased.ok()) return done(erased.error());
                              for (const Erasable& thing : *erased) erased_.insert(thing.id);
                              done(Ok());
                            });
            })};
  }
  Pending EraseRows() {
    return {{}, Done([&](auto done) {
              store_->EraseRows([done](const Result<ErasedRows>& rows) {
                done(rows.ok() ? Ok() : Status(rows.error()));
              });
            })};
  }
  template <typename Call>
  std::future<Status> Done(Call call) {
    auto promise = std::make_shared<std::promise<Status>>();
    auto future = promise->get_future();
    call([promise](const Status& status) { promise->set_value(status); });
    return future;
  }

  /// Each once, as the pages of the histories tell it.
  void ReadRun(const tracker::Run& run, Written& found) {
    const std::string& id = run.info.run_id.value;
    for (const auto* tags : {&run.params, &run.tags}) {
      for (const Tag& tag : *tags) {
        if (tag.key != "mlflow.runName") found.params.insert({id, tag.key, tag.value});
      }
    }
    for (const Metric& latest : run.metrics) {
      std::string token;
      do {
        const auto page = store_->MetricHistory(run.info.run_id, latest.key, 1'000, token);
        ASSERT_TRUE(page.ok()) << page.error().message;
        for (const Metric& m : page->items) {
          const bool fresh =
              found.points.insert({id, m.key, m.timestamp_ms, m.step, m.value}).second;
          ASSERT_TRUE(fresh) << "step " << m.step << " of " << m.key << " is there twice";
        }
        token = page->next_page_token;
      } while (!token.empty());
    }
  }

  void Verify(const std::string& when) {
    SCOPED_TRACE(when);
    Open();
    ASSERT_TRUE(store_) << "a file that a power loss left is opened";
    Written found;
    for (const char* id : {"run0", "run1", "run2"}) {
      const auto run = store_->GetRun(RunId(id));
      if (!run.ok()) continue;
      ASSERT_NO_FATAL_FAILURE(ReadRun(*run, found));
    }
    for (const std::string& id : erased_) {
      EXPECT_EQ(store_->GetRun(RunId(id)).error().kind, ErrorKind::kNotFound) << id << " is back";
    }
    const auto lacks = [](const auto& all, const auto& some) {
      return std::ranges::count_if(some, [&](const auto& item) { return !all.contains(item); });
    };
    EXPECT_EQ(lacks(found.points, acknowledged_.points), 0) << "points are lost";
    EXPECT_EQ(lacks(found.params, acknowledged_.params), 0) << "params or tags are lost";
    Written allowed = acknowledged_;
    allowed.Add(under_way_);
    EXPECT_EQ(lacks(allowed.points, found.points), 0) << "points that nobody wrote";
    EXPECT_EQ(lacks(allowed.params, found.params), 0) << "params or tags that nobody wrote";
    store_.reset();
    const auto report = CheckTrackerDatabase("tracker.db", vfs_.name().c_str());
    ASSERT_TRUE(report.ok()) << report.error().message;
    ASSERT_THAT(report->problems, testing::IsEmpty());
    // What is there now stays.
    acknowledged_ = std::move(found);
    under_way_ = {};
  }

  Random random_;
  FakeClock clock_;
  sim::Disk disk_;
  sim::DiskVfs vfs_;
  std::unique_ptr<RunStore> store_;
  Written acknowledged_, under_way_;
  std::vector<std::pair<std::string, Batch>> earlier_;
  std::int64_t step_ = 0;
  int thrown_away_ = 0;
  std::set<std::string> erased_;  // whose erasure was acknowledged
};

TEST(PowerLoss, WhatWasAcknowledged_IsThereOnce) {
  const char* wanted = std::getenv("MUSTER_POWER_LOSS_SEEDS");
  const std::uint64_t seeds = wanted == nullptr ? 25 : std::strtoull(wanted, nullptr, 10);
  std::size_t points = 0, erased = 0;
  for (std::uint64_t seed = 0; seed < seeds; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    PowerLoss run(seed);
    run.Run();
    if (testing::Test::HasFailure()) return;
    points += run.points();
    erased += run.erased();
  }
  EXPECT_GT(points, 1'000 * seeds);  // the disk did not die before anything happened
  EXPECT_GT(erased, seeds);
}

/// A database of schema 1 with 1,500 short series and a long one, as rows.
Status WriteVersion1(sqlite::Database& db) {
  MUSTER_RETURN_IF_ERROR(db.Migrate({TrackerMigrations().front()}));
  return db.Execute(R"sql(
    INSERT INTO experiments VALUES(0, 'Default', 'mlflow-artifacts:/0', 0, 1, 1);
    INSERT INTO runs VALUES(1, 'run', 0, 'name', 'ada', 'RUNNING', 5, NULL, 'mlflow-artifacts:/0/run', 0);
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1500)
      INSERT INTO series SELECT i, 1, 'key' || i, 20, 2, 0.5, 0, 0 FROM n;
    WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 2)
      INSERT INTO points SELECT s.id, 10 * n.i, n.i, 0.5, 0, 0 FROM series s, n WHERE s.id > 1;
    WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 2499)
      INSERT INTO points SELECT 1, i - 2479, i - 2497, 0.5, 0, 0 FROM n;
  )sql");
}

TEST(PowerLoss, AnUpgradeCutOffAnywhere_GoesOnWhereItStood) {
  for (std::uint64_t seed = 0; seed < 8; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Random random(seed);
    FakeClock clock;
    sim::Disk disk(Random(seed, 1));
    sim::DiskVfs vfs(disk);
    {
      auto db = sqlite::Database::Open("tracker.db", {.vfs = vfs.name().c_str()});
      const Status status = WriteVersion1(*db);
      ASSERT_TRUE(status.ok()) << status.error().message;
    }
    Result<std::unique_ptr<RunStore>> store = Internal("not opened");
    int deaths = 0;
    for (; !store.ok(); ++deaths) {
      // Longer and longer lives, so that it ends.
      disk.DieAfter(
          static_cast<std::int64_t>(random.Below(20 + 20U * static_cast<unsigned>(deaths))));
      store = OpenSqliteRunStore("tracker.db", clock, {.vfs = vfs.name().c_str()});
      if (!store.ok() && random.Chance(0.7)) disk.LosePower();
      disk.Restart();
    }
    EXPECT_GT(deaths, 1);
    const auto run = (*store)->GetRun(RunId("run"));
    ASSERT_EQ(run->metrics.size(), 1'500U);
    for (const Metric& metric : run->metrics) {
      const auto page = (*store)->MetricHistory(RunId("run"), metric.key, 25'000, "");
      ASSERT_EQ(page->items.size(), metric.key == "key1" ? 2'500U : 3U) << metric.key;
    }
    store->reset();
    const auto report = CheckTrackerDatabase("tracker.db", vfs.name().c_str());
    EXPECT_THAT(report->problems, testing::IsEmpty());
  }
}

}  // namespace
}  // namespace muster::tracker
