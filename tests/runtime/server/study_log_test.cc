#include "runtime/server/study_log.h"

#include <gtest/gtest.h>

#include <boost/json/parse.hpp>
#include <filesystem>

namespace muster::server {
namespace {

class StudyLogTest : public testing::Test {
 protected:
  StudyLogTest() : folder_(testing::TempDir() + "/study_log_test") {
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
  }
  [[nodiscard]] std::filesystem::path file() const { return folder_ / "studies.db"; }
  [[nodiscard]] StudyLog Open() const { return StudyLog::Open(file()).value(); }

  /// Two studies of a few requests each.
  void Write(StudyLog& log) {
    for (const std::string study : {"a", "b"}) {
      for (const char* request :
           {R"({"op":"create","space":{"x":{"float":[0,1]}},"sampler":"random"})",
            R"({"op":"ask"})", R"({"op":"report","trial":0,"step":1,"value":0.5})",
            R"({"op":"tell","trial":0,"value":0.5})"}) {
        tuner::AskTell::Changed changed;
        auto json = boost::json::parse(request).as_object();
        json["study"] = study;
        ASSERT_TRUE(studies_.Answer(json, &changed).ok());
        ASSERT_TRUE(log.Append({{study, changed}}).ok());
      }
    }
  }
  static Status Replay(StudyLog& log) {
    tuner::AskTell studies;
    return log.Replay([&](const std::string& study, std::string_view events) {
      return studies.Replay(study, events);
    });
  }

  std::filesystem::path folder_;
  tuner::AskTell studies_;
};

TEST_F(StudyLogTest, EveryDamagedRow_IsRefusedAndNamed) {
  StudyLog log = Open();
  Write(log);
  ASSERT_TRUE(Replay(log).ok());
  auto damager = sqlite::Database::Open(file(), {.full_sync = false}).value();
  const auto put = [&](std::string_view events) {
    // The third row of the second study, a report.
    return damager.Prepare("UPDATE records SET events = ? WHERE study = 2 AND number = 2")
        .RunWith(events);
  };
  std::string events;
  {
    auto row = damager.Prepare("SELECT events FROM records WHERE study = 2 AND number = 2");
    ASSERT_TRUE(*row.Step());
    events = row.Text(0);
  }
  const std::string wrong = "studies.db: study 'b', record 2: its checksum is wrong";
  const auto expect_refused = [&](const std::string& damaged) {
    ASSERT_TRUE(put(damaged).ok());
    const Status status = Replay(log);
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(status.error().kind, ErrorKind::kCorrupt);
    EXPECT_EQ(status.error().message, wrong);
  };
  for (std::size_t size = 0; size < events.size(); ++size) expect_refused(events.substr(0, size));
  for (std::size_t bit = 0; bit < 8 * events.size(); ++bit) {
    std::string flipped = events;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << (bit % 8)));
    expect_refused(flipped);
  }
  ASSERT_TRUE(put(events).ok());
  ASSERT_TRUE(Replay(log).ok());

  const auto told_when = [&](const char* damage) {
    EXPECT_TRUE(damager.Begin().ok());
    EXPECT_TRUE(damager.Execute("PRAGMA defer_foreign_keys=ON").ok());
    EXPECT_TRUE(damager.Execute(damage).ok()) << damage;
    EXPECT_TRUE(damager.Commit().ok());
    const Status status = Replay(log);
    return status.ok() ? "nothing" : status.error().message;
  };
  EXPECT_EQ(told_when("UPDATE records SET checksum = checksum + 1 WHERE study = 1 AND number = 3"),
            "studies.db: study 'a', record 3: its checksum is wrong");
  EXPECT_EQ(told_when("UPDATE records SET checksum = checksum - 1 WHERE study = 1 AND number = 3;"
                      "DELETE FROM records WHERE study = 2 AND number = 1"),
            "studies.db: study 'b', record 2: wanted record 1");
  EXPECT_EQ(told_when("DELETE FROM records WHERE study = 2"),
            "studies.db: study 'b' has no records");
  EXPECT_EQ(told_when("UPDATE records SET study = 2"),
            "studies.db: study 'b', record 0: its checksum is wrong");
  EXPECT_EQ(told_when("DELETE FROM studies WHERE id = 2"),
            "studies.db: study 2, record 0: there is no such study");
}

TEST_F(StudyLogTest, RowsThatDoNotFollow_AreRefusedThoughTheirChecksumsAreRight) {
  StudyLog log = Open();
  Write(log);
  ASSERT_TRUE(log.Append({{"a", {.dropped = false, .events = "\x08"}}}).ok());
  EXPECT_EQ(Replay(log).error().message,
            "studies.db: study 'a', record 4: an event of a study is cut short, or none that is "
            "known");
}

TEST_F(StudyLogTest, DroppedStudies_LeaveNoRows) {
  StudyLog log = Open();
  Write(log);
  ASSERT_TRUE(log.Append({{"a", {.dropped = true, .events = {}}}}).ok());
  StudyLog again = Open();
  std::vector<std::string> seen;
  ASSERT_TRUE(again
                  .Replay([&](const std::string& study, std::string_view) {
                    seen.push_back(study);
                    return Ok();
                  })
                  .ok());
  EXPECT_EQ(seen, std::vector<std::string>(4, "b"));
}

TEST_F(StudyLogTest, FilesOfTheFirstLayout_AreRefusedUnlessEmpty) {
  for (const bool empty : {false, true}) {
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
    {
      auto old = sqlite::Database::Open(file()).value();
      ASSERT_TRUE(
          old.Execute("CREATE TABLE studies (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);"
                      "CREATE TABLE records (seq INTEGER PRIMARY KEY,"
                      " study INTEGER NOT NULL REFERENCES studies(id),"
                      " request TEXT NOT NULL, answer TEXT NOT NULL);"
                      "PRAGMA user_version=1")
              .ok());
      if (!empty) {
        ASSERT_TRUE(old.Execute("INSERT INTO studies VALUES (1, 's');"
                                "INSERT INTO records VALUES (1, 1, '{\"op\":\"create\"}', '{}')")
                        .ok());
      }
    }
    const auto opened = StudyLog::Open(file());
    ASSERT_EQ(opened.ok(), empty);
    if (empty) continue;
    EXPECT_EQ(opened.error().kind, ErrorKind::kUnsupported);
    EXPECT_NE(opened.error().message.find("move the file away"), std::string::npos)
        << opened.error().message;
  }
}

}  // namespace
}  // namespace muster::server
