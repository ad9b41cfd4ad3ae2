#include "tracker/sqlite/check.h"

#include <gmock/gmock.h>

#include "tests/tracker/sqlite/store_fixture.h"

namespace muster::tracker {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class CheckTest : public StoreTest {
 protected:
  CheckTest() {
    const RunId run = CreateRun("r");
    EXPECT_TRUE(Log(run, Steps(0, 3'000)).ok());
    EXPECT_TRUE(Log(run, Steps(3'000, 100)).ok());
    Batch other{.metrics = {{.key = "acc", .value = 0.5, .timestamp_ms = 1, .step = 1}}};
    EXPECT_TRUE(Log(run, std::move(other)).ok());
    store_.reset();
  }
  CheckReport Check() { return CheckTrackerDatabase(file()).value(); }
  /// What the check tells after `sql`.
  std::vector<std::string> After(std::string_view sql) {
    const Status status = Raw().Execute(sql);
    EXPECT_TRUE(status.ok()) << status.error().message;
    return Check().problems;
  }
};

TEST_F(CheckTest, AGoodFile_IsCountedAndHasNoProblem) {
  const CheckReport report = Check();
  EXPECT_THAT(report.problems, IsEmpty());
  EXPECT_EQ(report.runs, 1);
  EXPECT_EQ(report.series, 2);
  EXPECT_EQ(report.points, 3'101);
  EXPECT_EQ(report.chunks, 3);
  EXPECT_EQ(report.tail_rows, 2);
}

TEST_F(CheckTest, AChangedChunk_IsNamed) {
  EXPECT_THAT(After("UPDATE chunks SET data = substr(data, 1, 40) || x'00' || substr(data, 42) "
                    "WHERE id = 2"),
              ElementsAre(testing::MatchesRegex(
                  "row 2 of chunks: a chunk of [0-9]+ bytes: its checksum is wrong")));
}

TEST_F(CheckTest, ASummaryThatIsNotOfItsPoints_IsNamed) {
  EXPECT_THAT(After("UPDATE chunks SET points = 7 WHERE id = 1"),
              ElementsAre("row 1 of chunks has another number of points"));
  EXPECT_THAT(After("UPDATE chunks SET max_step = 1 WHERE id = 2"),
              Contains("row 2 of chunks has other steps or attempts than it says"));
  EXPECT_THAT(After("UPDATE chunks SET buckets = x'00' WHERE id = 3"),
              Contains("row 3 of chunks has other buckets than its points"));
}

TEST_F(CheckTest, ChunksThatReachIntoEachOther_AreNamed) {
  EXPECT_THAT(After("INSERT INTO chunks SELECT 9, series, first_ts + 1, first_step, first_value, "
                    "first_nan, points, max_step, min_attempt, by_step, buckets, data FROM chunks "
                    "WHERE id = 1"),
              Contains("row 9 of chunks begins before the one before ends"));
}

TEST_F(CheckTest, ATornTailAndPointsOfNobody_AreNamed) {
  EXPECT_THAT(After("UPDATE tail SET points = x'01' WHERE series = 2"),
              Contains(HasSubstr("of tail: a chunk of 1 bytes: too short")));
  EXPECT_THAT(After("UPDATE chunks SET series = 77 WHERE id = 3"),
              Contains("chunks holds points of series 77, which is not there"));
}

TEST_F(CheckTest, ALatestPointThatIsNot_IsNamed) {
  EXPECT_THAT(After("UPDATE series SET latest_step = 5 WHERE id = 1"),
              ElementsAre("series 1 has another latest point"));
  EXPECT_THAT(After("UPDATE series SET latest_ts = NULL, latest_step = NULL, latest_value = NULL "
                    "WHERE id = 1"),
              ElementsAre("series 1 has another latest point"));
  EXPECT_THAT(After("UPDATE series SET max_value = 7 WHERE id = 2"),
              Contains("series 2 has another min or max"));
}

TEST_F(CheckTest, AnotherSchemaOrNoDatabase_IsAnError) {
  ASSERT_TRUE(Raw().Execute("PRAGMA user_version = 99").ok());
  EXPECT_EQ(CheckTrackerDatabase(file()).error().kind, ErrorKind::kUnsupported);
  EXPECT_FALSE(CheckTrackerDatabase(folder_ / "none.db").ok());
}

}  // namespace
}  // namespace muster::tracker
