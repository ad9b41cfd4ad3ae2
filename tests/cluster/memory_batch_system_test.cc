#include "cluster/memory_batch_system.h"

#include <gmock/gmock.h>

/// What the contract suite (tests/contract/batch_system_test.cc) cannot ask of a real system.

namespace muster::cluster {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;
using Kind = MemoryBatchSystem::Event::Kind;

JobRequest Request(const std::string& key) {
  return {.key = key, .name = "test", .command = {"work"}, .log_dir = "/logs"};
}

std::string Submit(MemoryBatchSystem& system, const JobRequest& request) {
  const auto id = system.Submit(request);
  EXPECT_TRUE(id.ok()) << id.error().message;
  return id.ok() ? *id : "";
}

Job Only(MemoryBatchSystem& system, const std::string& key) {
  const auto jobs = system.Find(key);
  EXPECT_THAT(*jobs, SizeIs(1));
  return jobs->at(0);
}

/// "started 1 on 0,1", ...
std::vector<std::string> Told(MemoryBatchSystem& system) {
  std::vector<std::string> told;
  for (const auto& event : system.TakeEvents()) {
    std::string text = event.kind == Kind::kStarted  ? "started "
                       : event.kind == Kind::kWarned ? "warned "
                                                     : "killed ";
    text += std::to_string(event.start) + " on ";
    for (const int node : event.nodes) text += std::to_string(node);
    told.push_back(text);
  }
  return told;
}

TEST(MemoryBatchSystem, Time_WarnsAndEnds) {
  MemoryBatchSystem system({.nodes = 2});
  JobRequest request = Request("a");
  request.nodes = 2;
  request.time_seconds = 100;
  request.warn_seconds = 30;
  Submit(system, request);
  EXPECT_THAT(Told(system), ElementsAre("started 1 on 01"));
  EXPECT_EQ(Only(system, "a").ends_by, 1'700'000'100'000);
  system.Advance(69'999);
  EXPECT_THAT(Told(system), IsEmpty());
  system.Advance(1);
  EXPECT_THAT(Told(system), ElementsAre("warned 1 on 01"));
  system.Advance(30'000);
  EXPECT_THAT(Told(system), ElementsAre("killed 1 on 01"));
  EXPECT_EQ(Only(system, "a").words, "TIMEOUT");
  const auto usage = system.Usage({{"2", "b"}, {"1", "a"}});
  EXPECT_FALSE(usage->at(0).cpu_seconds);
  EXPECT_EQ(usage->at(1).cpu_seconds, 200);
}

TEST(MemoryBatchSystem, FullNodes_MakeJobsWait_SmallOnesPassThem) {
  MemoryBatchSystem system({.nodes = 1, .cpus_per_node = 4});
  JobRequest half = Request("half");
  half.cpus_per_node = 2;
  JobRequest whole = Request("whole");
  whole.cpus_per_node = 4;
  const std::string id = Submit(system, half);
  Submit(system, whole);
  half.key = "other";
  Submit(system, half);
  EXPECT_EQ(Only(system, "whole").words, "PENDING (Resources)");
  EXPECT_EQ(Only(system, "other").state, JobState::kRunning);
  system.Finish(id, 0);
  EXPECT_EQ(Only(system, "whole").state, JobState::kWaiting);
  system.Finish(Only(system, "other").id, 1);
  EXPECT_EQ(Only(system, "whole").state, JobState::kRunning);
}

TEST(MemoryBatchSystem, Requeued_StartsAnewAndCounts) {
  MemoryBatchSystem system({.nodes = 1});
  const std::string id = Submit(system, Request("a"));
  system.Requeue(id);
  EXPECT_THAT(Told(system), ElementsAre("started 1 on 0", "killed 1 on 0", "started 2 on 0"));
  EXPECT_EQ(Only(system, "a").restarts, 1);
}

TEST(MemoryBatchSystem, Doubled_RunsTwice_AndNothingShowsIt) {
  MemoryBatchSystem system({.nodes = 2, .cpus_per_node = 1});
  system.Double(Submit(system, Request("a")));
  EXPECT_THAT(Told(system), ElementsAre("started 1 on 0", "started 2 on 0"));
  EXPECT_EQ(Only(system, "a").restarts, 0);
}

TEST(MemoryBatchSystem, Lost_RunsOnAndIsNotFound) {
  MemoryBatchSystem system({.nodes = 1});
  system.Lose(Submit(system, Request("a")));
  EXPECT_THAT(*system.Find(""), IsEmpty());
  EXPECT_THAT(Told(system), ElementsAre("started 1 on 0"));
}

TEST(MemoryBatchSystem, LostNode_KeepsItsProcessesUntilItIsBack) {
  MemoryBatchSystem system({.nodes = 2, .cpus_per_node = 2});
  JobRequest moves = Request("moves");
  moves.requeue = true;
  Submit(system, moves);
  Submit(system, Request("stays"));
  Told(system);
  system.LoseNode(0);
  EXPECT_EQ(Only(system, "stays").words, "NODE_FAIL");
  EXPECT_EQ(Only(system, "moves").restarts, 1);
  EXPECT_THAT(Told(system), ElementsAre("started 3 on 1"));
  system.HealNode(0);
  EXPECT_THAT(Told(system), ElementsAre("killed 1 on 0", "killed 2 on 0"));
}

TEST(MemoryBatchSystem, LostAnswer_IsFoundByItsKey) {
  MemoryBatchSystem system({});
  system.LoseNextAnswer();
  const auto lost = system.Submit(Request("a"));
  ASSERT_FALSE(lost.ok());
  EXPECT_EQ(lost.error().kind, ErrorKind::kUnavailable);
  EXPECT_EQ(Only(system, "a").state, JobState::kRunning);
  EXPECT_EQ(Submit(system, Request("b")), "2") << "one answer was";
}

TEST(MemoryBatchSystem, Away_AnswersNothing) {
  MemoryBatchSystem system({});
  system.SetAway(true);
  EXPECT_EQ(system.Check(Request("a")).error().kind, ErrorKind::kUnavailable);
  EXPECT_EQ(system.Submit(Request("a")).error().kind, ErrorKind::kUnavailable);
  EXPECT_EQ(system.Find("").error().kind, ErrorKind::kUnavailable);
  EXPECT_EQ(system.Cancel({}).error().kind, ErrorKind::kUnavailable);
  EXPECT_EQ(system.Usage({{"1", "a"}}).error().kind, ErrorKind::kUnavailable);
  system.SetAway(false);
  EXPECT_THAT(*system.Find(""), IsEmpty());
}

TEST(MemoryBatchSystem, TooManyJobs_AreForNow) {
  MemoryBatchSystem system({.jobs_most = 2});
  JobRequest request = Request("a");
  request.count = 3;
  EXPECT_EQ(system.Submit(request).error().kind, ErrorKind::kResource);
  request.count = 2;
  Submit(system, request);
  EXPECT_EQ(system.Submit(Request("b")).error().kind, ErrorKind::kResource);
}

TEST(JobRequest, Command_IsFilledIn) {
  JobRequest request = Request("a");
  request.command = {"muster", "--name={task}.{node}", "{other} {task}{task}"};
  EXPECT_THAT(ExpandCommand(request, 12, 3), ElementsAre("muster", "--name=12.3", "{other} 1212"));
}

}  // namespace
}  // namespace muster::cluster
