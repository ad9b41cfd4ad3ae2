#include "runtime/coordinator/allocation_jobs.h"

#include <gmock/gmock.h>

#include "cluster/memory_batch_system.h"

/// Allocations as jobs of a batch system that loses answers and jobs, or has copies of them.

namespace muster::coordinator {
namespace {

using cluster::JobState;
using cluster::MemoryBatchSystem;
using testing::ElementsAre;
using testing::IsEmpty;
using TellState = AllocationTold::State;

cluster::JobRequest Request(int count) {
  SubmitAllocations command{.key = "hpc-1", .name = "muster-hpc", .time_seconds = 600};
  for (int task = 0; task < count; ++task) {
    command.allocations.emplace_back("hpc-" + std::to_string(task + 1));
  }
  cluster::JobRequest request = RequestFor(command, "home");
  request.command = {"agent"};
  request.log_dir = "/logs";
  return request;
}
OpenAllocation Open(int number, bool taken = true) {
  return {AllocationId("hpc-" + std::to_string(number)), "home:hpc-1", number - 1, taken};
}
cluster::Job Job(const std::string& id, JobState state, int task = 0) {
  return {.id = id, .key = "home:hpc-1", .task = task, .state = state, .words = id};
}
std::vector<std::string> Strays(const std::vector<OpenAllocation>& open,
                                const std::vector<cluster::Job>& jobs) {
  std::vector<std::string> ids;
  for (const cluster::JobRef& stray : StrayJobs(open, jobs)) ids.push_back(stray.id);
  return ids;
}

TEST(AllocationJobs, RequestWhoseAnswerWasLost_IsNotAskedForTwice) {
  MemoryBatchSystem system({});
  system.LoseNextAnswer();
  EXPECT_EQ(SubmitMissing(system, Request(3)).error().kind, ErrorKind::kUnavailable);
  const auto id = SubmitMissing(system, Request(3));
  ASSERT_TRUE(id.ok()) << id.error().message;
  EXPECT_EQ(system.Find("home:")->size(), 3U);
}

TEST(AllocationJobs, RequestTakenInPart_IsAskedForTheRest) {
  MemoryBatchSystem system({});
  ASSERT_TRUE(system.Submit(Request(2)).ok());
  ASSERT_TRUE(SubmitMissing(system, Request(5)).ok());
  std::vector<int> tasks;
  const auto jobs = system.Find("home:hpc-1");
  for (const cluster::Job& job : *jobs) tasks.push_back(job.task);
  EXPECT_THAT(tasks, testing::UnorderedElementsAre(0, 1, 2, 3, 4));
}

TEST(AllocationJobs, RequestThatIsMoreThanTheLimit_IsTakenInParts) {
  MemoryBatchSystem system({.nodes = 1, .cpus_per_node = 1, .jobs_most = 2});
  EXPECT_EQ(SubmitMissing(system, Request(3)).error().kind, ErrorKind::kResource);
  EXPECT_EQ(system.Find("home:")->size(), 1U) << "half of it";
  EXPECT_EQ(SubmitMissing(system, Request(3)).error().kind, ErrorKind::kResource);
  EXPECT_EQ(SubmitMissing(system, Request(3)).error().kind, ErrorKind::kResource);
  EXPECT_EQ(system.Find("home:")->size(), 2U) << "as many as may be";
  system.Finish("1", 0);
  EXPECT_TRUE(SubmitMissing(system, Request(3)).ok());
}

TEST(AllocationJobs, CancelTask_EndsAllCopiesOfThatTaskAlone) {
  MemoryBatchSystem system({});
  ASSERT_TRUE(system.Submit(Request(2)).ok());
  ASSERT_TRUE(system.Submit(Request(1)).ok());
  ASSERT_TRUE(CancelTask(system, "home:hpc-1", 0).ok());
  std::vector<int> live;
  const auto jobs = system.Find("home:");
  for (const cluster::Job& job : *jobs) {
    if (job.state != JobState::kEnded) live.push_back(job.task);
  }
  EXPECT_THAT(live, ElementsAre(1));
  EXPECT_TRUE(CancelTask(system, "home:hpc-9", 0).ok());
}

TEST(AllocationJobs, StrayJobs_AreThoseOfNoOpenAllocationAndCopies) {
  const std::vector<cluster::Job> jobs = {
      Job("1", JobState::kWaiting), Job("2", JobState::kRunning), Job("3", JobState::kEnded),
      Job("4", JobState::kWaiting, 1), Job("5", JobState::kEnding, 2)};
  EXPECT_THAT(Strays({Open(1)}, jobs), ElementsAre("1", "4")) << "the copy that runs stays";
  EXPECT_THAT(Strays({Open(1, false), Open(2)}, jobs), ElementsAre("1"));
  EXPECT_THAT(Strays({}, {Job("3", JobState::kEnded)}), IsEmpty());
}

TEST(JobWatch, JobThatIsNotListed_HasEndedAtTheThirdLook) {
  JobWatch watch;
  EXPECT_FALSE(watch.Look(Open(1), {}));
  EXPECT_FALSE(watch.Look(Open(1), {}));
  EXPECT_EQ(watch.Look(Open(1), {Job("1", JobState::kRunning)})->state, TellState::kRunning);
  EXPECT_FALSE(watch.Look(Open(1), {}));
  EXPECT_FALSE(watch.Look(Open(1), {}));
  EXPECT_EQ(watch.Look(Open(1), {})->state, TellState::kEnded);
  for (int look = 0; look < 9; ++look)
    EXPECT_FALSE(watch.Look(Open(1, false), {})) << "the outbox asks for it";
}

TEST(JobWatch, CopyThatRuns_CountsBeforeOneThatHasEnded) {
  JobWatch watch;
  const auto told = watch.Look(Open(1), {Job("1", JobState::kEnded), Job("2", JobState::kRunning)});
  EXPECT_EQ(told->state, TellState::kRunning);
  EXPECT_EQ(told->words, "2");
}

}  // namespace
}  // namespace muster::coordinator
