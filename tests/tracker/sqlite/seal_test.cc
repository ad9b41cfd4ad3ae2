#include "tracker/sqlite/seal.h"

#include <gmock/gmock.h>

#include "tests/tracker/sqlite/store_fixture.h"

namespace muster::tracker {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class SealTest : public StoreTest {
 protected:
  SealTest() : run_(CreateRun("r")) {}
  /// The number of points of each chunk, in history order.
  std::vector<std::int64_t> Chunks() {
    return Column("SELECT points FROM chunks ORDER BY first_ts");
  }
  std::vector<std::int64_t> ChunkIds() { return Column("SELECT id FROM chunks ORDER BY first_ts"); }
  std::size_t TailRows() { return Column("SELECT seq FROM tail").size(); }
  void End() {
    const auto ended = Wait<Result<RunInfo>>([&](auto done) {
      store_->UpdateRun(run_, {.status = RunStatus::kFinished}, std::move(done));
    });
    ASSERT_TRUE(ended.ok());
  }
  std::size_t Points() { return store_->MetricHistory(run_, "loss", 25'000, "")->items.size(); }

  RunId run_;

 private:
  std::vector<std::int64_t> Column(std::string_view sql) {
    auto db = Raw();
    auto rows = db.Prepare(sql);
    std::vector<std::int64_t> column;
    while (*rows.Step()) column.push_back(rows.Int(0));
    return column;
  }
};

TEST_F(SealTest, ATailThatIsLongEnough_BecomesOneChunk) {
  ASSERT_TRUE(Log(run_, Steps(0, 500)).ok());
  ASSERT_TRUE(Log(run_, Steps(500, 459)).ok());
  EXPECT_THAT(Chunks(), IsEmpty());
  EXPECT_EQ(TailRows(), 2U);
  ASSERT_TRUE(Log(run_, Steps(959, 1)).ok());
  EXPECT_THAT(Chunks(), ElementsAre(960));
  EXPECT_EQ(TailRows(), 0U);
}

TEST_F(SealTest, ALongBatch_IsCutEvenly) {
  ASSERT_TRUE(Log(run_, Steps(0, 2'500)).ok());
  EXPECT_THAT(Chunks(), ElementsAre(833, 833, 834));
}

TEST_F(SealTest, ALatePoint_RewritesOnlyItsChunk) {
  ASSERT_TRUE(Log(run_, Steps(0, 3'000)).ok());
  const auto before = ChunkIds();
  Batch late{.metrics = {{.key = "loss", .value = 7, .timestamp_ms = 15'005, .step = 1}}};
  ASSERT_TRUE(Log(run_, std::move(late)).ok());
  EXPECT_EQ(TailRows(), 1U);
  End();  // too short a tail is not worth it
  EXPECT_EQ(TailRows(), 1U);
  ASSERT_TRUE(Log(run_, Steps(3'000, 1'000)).ok());
  EXPECT_EQ(TailRows(), 0U);
  EXPECT_THAT(Chunks(), ElementsAre(1'000, 1'001, 1'000, 1'000));
  EXPECT_EQ(ChunkIds()[0], before[0]);
  EXPECT_EQ(ChunkIds()[2], before[2]);
  EXPECT_EQ(Points(), 4'001U);
}

TEST_F(SealTest, PointsBeforeTheFirstChunk_JoinIt) {
  ASSERT_TRUE(Log(run_, Steps(5'000, 1'000)).ok());
  ASSERT_TRUE(Log(run_, Steps(0, 1'000)).ok());
  EXPECT_THAT(Chunks(), ElementsAre(1'000, 1'000));
  EXPECT_EQ(TailRows(), 0U);
}

TEST_F(SealTest, ARunThatEndsAndGoesOn_FillsItsLastChunk) {
  ASSERT_TRUE(Log(run_, Steps(0, 100)).ok());
  End();
  EXPECT_THAT(Chunks(), ElementsAre(100));
  store_.reset();
  Open();
  ASSERT_TRUE(Log(run_, Steps(100, 300)).ok());
  End();
  EXPECT_THAT(Chunks(), ElementsAre(400));
  EXPECT_EQ(Points(), 400U);
}

TEST_F(SealTest, ARunThatEnds_SealsItsRanksToo) {
  for (const int rank : {kNoRank, 0, 7}) {
    Batch batch = Steps(0, 100 + rank);
    for (Metric& metric : batch.metrics) metric.rank = rank;
    ASSERT_TRUE(Log(run_, std::move(batch)).ok());
  }
  End();
  EXPECT_THAT(Chunks(), testing::UnorderedElementsAre(99, 100, 107));
  EXPECT_EQ(TailRows(), 0U);
  EXPECT_EQ(store_->MetricHistory(run_, {"loss", 7}, 25'000, "")->items.size(), 107U);
}

TEST_F(SealTest, AReplayOfSealedPoints_StoresNothing) {
  ASSERT_TRUE(Log(run_, Steps(0, 3'000)).ok());
  ASSERT_TRUE(Log(run_, Steps(500, 1'000)).ok());
  store_.reset();
  Open();
  ASSERT_TRUE(Log(run_, Steps(1'500, 1'000)).ok());
  EXPECT_EQ(TailRows(), 0U);
  EXPECT_THAT(Chunks(), ElementsAre(1'000, 1'000, 1'000));
}

}  // namespace
}  // namespace muster::tracker
