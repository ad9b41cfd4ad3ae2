#include "tests/cluster/slurm/slurm_fixture.h"

/// What Slurm takes its time for. It looks for the end of jobs every 30 s, so one waits for it beside the other tests.

namespace muster::cluster::slurm {
namespace {

using testing::HasSubstr;

constexpr const char* kWatchSignals =
    "trap 'echo warned > {task}.usr2' USR2; trap 'echo told > {task}.term; exit 0' TERM; echo > "
    "{task}.started; "
    "while true; do sleep 0.1; done";

class SlurmTime : public SlurmTest {
 protected:
  static void SetUpTestSuite() {
    SetUpLab({"--cpus=8"});
    if (!has_lab()) return;
    auto system = System();
    JobRequest request = Script("time:over", kWatchSignals);
    request.time_seconds = 60;
    request.warn_seconds = 55;
    over_ = Submit(system, request);
    const Job running = tests::AwaitJob(system, "time:over", 0, JobState::kRunning);
    ASSERT_TRUE(running.ends_by.has_value());
    const auto left = *running.ends_by - SystemClock().UnixNow();
    EXPECT_GT(left, 40'000);
    EXPECT_LE(left, 61'000);
  }
  static inline std::string over_;  ///< id of the job whose time will be over
};

TEST_F(SlurmTime, Preempted_IsToldAndWaitsAgain) {
  SlurmProfile low;
  low.partition = "low";
  auto system = System(low);
  JobRequest request = Script("time:low", kWatchSignals);
  request.first_task = 7;
  request.nodes = 2;
  request.cpus_per_node = 7;
  request.warn_seconds = 60;
  request.requeue = true;
  Submit(system, request);
  lab().AwaitFile("7.started");
  JobRequest first = Script("time:high", "sleep 600");
  first.nodes = 2;
  first.cpus_per_node = 7;
  auto high = System();
  Submit(high, first);
  EXPECT_EQ(lab().AwaitFile("7.usr2"), "warned\n") << "the site sends it ahead of the others";
  EXPECT_EQ(lab().AwaitFile("7.term"), "told\n");
  tests::AwaitJob(high, "time:high", 0, JobState::kRunning);
  EXPECT_EQ(tests::AwaitJob(system, "time:low", 7, JobState::kWaiting).restarts, 1);
  Cancel(system, "time:low");
  Cancel(system, "time:high");
}

TEST_F(SlurmTime, Requeued_CountsItsRestartsAndAppendsToItsLog) {
  auto system = System();
  JobRequest request =
      Script("time:requeue",
             "echo start ${SLURM_RESTART_COUNT:-0}; [ \"$SLURM_RESTART_COUNT\" = 1 ] || sleep 600");
  request.requeue = true;
  const std::string id = Submit(system, request);
  EXPECT_EQ(tests::AwaitJob(system, "time:requeue", 0, JobState::kRunning).restarts, 0);
  lab().AwaitFile(id + ".log");
  lab().Slurm({"scontrol", "requeue", id});
  EXPECT_EQ(tests::AwaitJob(system, "time:requeue", 0, JobState::kWaiting).restarts, 1);
  const Job ended = tests::AwaitJob(system, "time:requeue", 0, JobState::kEnded);
  EXPECT_FALSE(ended.failed) << ended.words;
  EXPECT_EQ(ended.restarts, 1);
  const std::string log = lab().AwaitFile(id + ".log");
  EXPECT_THAT(log, HasSubstr("start 0\n"));
  EXPECT_THAT(log, HasSubstr("start 1\n"));
}

TEST_F(SlurmTime, Over_ComesAfterAWarning) {
  auto system = System();
  EXPECT_EQ(lab().AwaitFile("0.usr2"), "warned\n");
  // The rest of the minute would only be waited for.
  lab().Slurm({"scontrol", "update", "jobid=" + over_, "endtime=now"});
  EXPECT_EQ(lab().AwaitFile("0.term"), "told\n");
  const Job ended = tests::AwaitJob(system, "time:over", 0, JobState::kEnded);
  EXPECT_TRUE(ended.failed);
  EXPECT_THAT(ended.words, HasSubstr("TIMEOUT"));
}

}  // namespace
}  // namespace muster::cluster::slurm
