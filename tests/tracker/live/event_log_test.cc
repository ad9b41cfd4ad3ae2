#include "tracker/event_log.h"

#include <gmock/gmock.h>

#include "tracker/run_store.h"

namespace muster::tracker {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

RunEvent Said(std::string run, std::string text) {
  return {RunId(std::move(run)), LogText{"0.out", 0, std::move(text)}};
}

std::vector<std::string> Texts(const EventLog::Page& page) {
  std::vector<std::string> texts;
  for (const auto& entry : page.entries) {
    texts.push_back(std::get<LogText>(entry->event.body).text);
  }
  return texts;
}

class Counter final : public EventLog::Listener {
 public:
  void OnNews() override { ++news; }
  int news = 0;
};

TEST(EventLog, Read_ChosenRunsInOrder) {
  EventLog log;
  EXPECT_EQ(log.last_id(), 0U);
  for (const char* run : {"a", "b", "a", "c"}) log.Add(Said(run, run));
  EXPECT_THAT(Texts(log.Read({"a", "b"}, 0, 10)), ElementsAre("a", "b", "a"));
  EXPECT_EQ(log.Read({"a", "b"}, 0, 10).after, 4U);
  EXPECT_THAT(Texts(log.Read({"a"}, 1, 10)), ElementsAre("a"));
  EXPECT_THAT(Texts(log.Read({"none"}, 0, 10)), IsEmpty());
  EXPECT_FALSE(log.Read({"a", "none"}, 0, 10).lost);
}

TEST(EventLog, Read_InPages_EachEventOnce) {
  EventLog log;
  std::vector<std::string> wanted;
  for (int i = 0; i < 50; ++i) {
    log.Add(Said(i % 3 == 0 ? "a" : i % 3 == 1 ? "b" : "other", std::to_string(i)));
    if (i % 3 != 2) wanted.push_back(std::to_string(i));
  }
  std::vector<std::string> read;
  for (std::uint64_t after = 0; after < log.last_id();) {
    const auto page = log.Read({"a", "b"}, after, 7);
    for (const std::string& text : Texts(page)) read.push_back(text);
    ASSERT_GT(page.after, after);
    after = page.after;
  }
  EXPECT_EQ(read, wanted);
}

TEST(EventLog, Full_TheOldestGoAndOnlyTheirReadersMissThem) {
  EventLog log(10'000);
  log.Add(Said("quiet", "first"));
  log.Add(Said("busy", std::string(1000, 'x')));
  const std::uint64_t here = log.last_id();
  for (int i = 0; i < 20; ++i) log.Add(Said("busy", std::string(1000, 'x')));
  EXPECT_TRUE(log.Read({"busy"}, here, 100).lost);
  EXPECT_FALSE(log.Read({"busy"}, log.last_id() - 2, 100).lost);
  EXPECT_TRUE(log.Read({"quiet"}, 0, 100).lost);
  EXPECT_FALSE(log.Read({"quiet"}, here, 100).lost);  // nothing of it came after
  EXPECT_FALSE(log.Read({"unknown"}, here, 100).lost);
  EXPECT_LT(log.Read({"busy"}, 0, 100).entries.size(), 10U);
}

TEST(EventLog, EventBeyondTheBound_StaysUntilTheNext) {
  EventLog log(100);
  log.Add(Said("a", std::string(1000, 'x')));
  EXPECT_EQ(log.Read({"a"}, 0, 10).entries.size(), 1U);
  log.Add(Said("a", "y"));
  EXPECT_THAT(Texts(log.Read({"a"}, 0, 10)), ElementsAre("y"));
}

TEST(EventLog, ManyRunsThatWent_AGapOfThemAllIsTold) {
  EventLog log(1000);
  log.Add(Said("first", "x"));
  for (std::size_t i = 0; i < EventLog::kRunsMax + 100; ++i) log.Add(Said(std::to_string(i), "x"));
  EXPECT_TRUE(log.Read({"first"}, 0, 10).lost);
  EXPECT_FALSE(log.Read({"first"}, log.last_id(), 10).lost);
}

TEST(EventLog, Points_CountByWhatTheyHold) {
  EventLog log(4000);
  const auto points = std::make_shared<std::vector<Metric>>(20, Metric{.key = "m"});
  log.Add({RunId("a"), NewPoints{points}});
  log.Add({RunId("a"), NewPoints{points}});
  EXPECT_EQ(log.Read({"a"}, 0, 10).entries.size(), 1U);
}

TEST(EventLog, Listeners_HearOfTheirRunsUntilTheyLeave) {
  EventLog log;
  Counter one, two;
  log.Listen({"a", "b"}, one);
  log.Listen({"a"}, two);
  log.Add(Said("a", "x"));
  log.Add(Said("b", "x"));
  log.Add(Said("c", "x"));
  EXPECT_EQ(one.news, 2);
  EXPECT_EQ(two.news, 1);
  log.Unlisten({"a", "b"}, one);
  log.Unlisten({"a", "b"}, one);
  log.Add(Said("a", "x"));
  EXPECT_EQ(one.news, 2);
  EXPECT_EQ(two.news, 2);
}

}  // namespace
}  // namespace muster::tracker
