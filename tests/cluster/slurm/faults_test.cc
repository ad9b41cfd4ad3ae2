#include "tests/cluster/slurm/slurm_fixture.h"

/// Controllers and nodes that die. What is killed is started again by the test that killed it.

namespace muster::cluster::slurm {
namespace {

using testing::HasSubstr;
using testing::SizeIs;

class SlurmFaults : public SlurmTest {
 protected:
  static void SetUpTestSuite() { SetUpLab({}); }
};

TEST_F(SlurmFaults, ControllerAway_IsUnavailable_AndJobsAreFoundAgain) {
  auto system = System();
  JobRequest request = Script("faults:away", "while [ ! -e away-done ]; do sleep 0.1; done");
  request.count = 2;
  const std::string id = Submit(system, request);
  tests::AwaitJob(system, "faults:away", 1, JobState::kRunning);
  lab().Do("save");
  lab().Do("kill", "slurmctld");

  SlurmBatchSystem hasty({}, {.environment = lab().environment(),
                              .submit_deadline = std::chrono::seconds(1),
                              .query_deadline = std::chrono::seconds(1)});
  ExpectRefused(hasty.Find("faults:"), ErrorKind::kUnavailable, "squeue");
  ExpectRefused(hasty.Submit(Script("faults:none", "true")), ErrorKind::kUnavailable, "");
  ExpectRefused(hasty.Check(Script("faults:none", "true")), ErrorKind::kUnavailable, "");
  ExpectRefused(hasty.Cancel({{id, "faults:away"}}), ErrorKind::kUnavailable, "");
  ExpectRefused(hasty.Usage({{id, "faults:away"}}), ErrorKind::kUnavailable, "");

  lab().Do("start", "slurmctld");
  const auto jobs = system.Find("faults:away");
  ASSERT_TRUE(jobs.ok()) << jobs.error().message;
  EXPECT_THAT(*jobs, SizeIs(2)) << "whoever got no answer finds what was taken";
  std::ofstream(lab().jobs() / "away-done") << "\n";
  for (const int task : {0, 1})
    EXPECT_FALSE(tests::AwaitJob(system, "faults:away", task, JobState::kEnded).failed);
}

TEST_F(SlurmFaults, AnswerLost_IsNoRefusal_AndTheJobIsFound) {
  // Slurm's sbatch, whose connection breaks once the controller has the job.
  const auto bin = lab().jobs() / "bin";
  std::filesystem::create_directory(bin);
  std::ofstream(bin / "sbatch") << R"(#!/bin/sh
/usr/bin/sbatch "$@" > /dev/null || exit
case "$*" in *--test-only*) ;; *)
  echo "sbatch: error: Batch job submission failed: Socket timed out on send/recv operation" >&2; exit 1 ;;
esac
)";
  std::filesystem::permissions(bin / "sbatch", std::filesystem::perms::owner_all);
  auto environment = lab().environment();
  environment["PATH"] = bin.string() + ":" + environment["PATH"];
  SlurmBatchSystem system({}, {.environment = environment});
  ExpectRefused(system.Submit(Script("faults:lost", "true")), ErrorKind::kUnavailable, "timed out");
  EXPECT_FALSE(tests::AwaitJob(system, "faults:lost", 0, JobState::kEnded).failed);
}

TEST_F(SlurmFaults, NodeLost_EndsTheJobOrStartsItAnewElsewhere) {
  auto system = System();
  JobRequest stays = Script("faults:stays", "sleep 600");
  JobRequest moves =
      Script("faults:moves", "echo $SLURMD_NODENAME > moves.${SLURM_RESTART_COUNT:-0}; sleep 600");
  stays.cpus_per_node = moves.cpus_per_node = 2;  // both on one node
  moves.requeue = true;
  Submit(system, stays);
  Submit(system, moves);
  tests::AwaitJob(system, "faults:stays", 0, JobState::kRunning);
  const std::string node = lab().AwaitFile("moves.0").substr(0, 2);
  lab().Do("fail", node);
  const Job lost = tests::AwaitJob(system, "faults:stays", 0, JobState::kEnded);
  EXPECT_TRUE(lost.failed);
  EXPECT_THAT(lost.words, HasSubstr("NODE_FAIL"));
  EXPECT_NE(lab().AwaitFile("moves.1").substr(0, 2), node);
  EXPECT_EQ(tests::AwaitJob(system, "faults:moves", 0, JobState::kRunning).restarts, 1);
  Cancel(system, "faults:moves");
  lab().Do("heal", node);
}

}  // namespace
}  // namespace muster::cluster::slurm
