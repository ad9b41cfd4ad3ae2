#include "tests/cluster/slurm/slurm_fixture.h"

/// What jobs are given, and what Slurm refuses.

namespace muster::cluster::slurm {
namespace {

using testing::HasSubstr;

class SlurmJobs : public SlurmTest {
 protected:
  static void SetUpTestSuite() { SetUpLab({"--array-max=4", "--cpus=8"}); }
};

TEST_F(SlurmJobs, Command_StartsOnceANode_WithTheProfilesEnvironment) {
  SlurmProfile profile;
  profile.environment = {{"GREETING", "it's $HOME"}};
  profile.setup = "export FROM_SETUP=$((40 + 2))\necho setup\n";
  profile.sbatch = {"--exclusive"};
  auto system = System(profile);
  JobRequest request = Script("jobs:command", "");
  request.first_task = 9;
  request.nodes = 2;
  request.gpus_per_node = 2;
  request.command = {
      "sh", "-c",
      "echo \"$1|$GREETING|$FROM_SETUP|$CUDA_VISIBLE_DEVICES|$SLURM_CPUS_PER_TASK\" > node-{node}",
      "sh", "t{task} 'n{node}' \"q\" \\ $x"};
  request.cpus_per_node = 3;
  const std::string id = Submit(system, request);
  EXPECT_EQ(lab().AwaitFile("node-0"), "t9 'n0' \"q\" \\ $x|it's $HOME|42|0,1|3\n");
  EXPECT_EQ(lab().AwaitFile("node-1"), "t9 'n1' \"q\" \\ $x|it's $HOME|42|0,1|3\n");
  const Job job = tests::AwaitJob(system, "jobs:command", 9, JobState::kEnded);
  EXPECT_FALSE(job.failed) << job.words;
  EXPECT_THAT(lab().AwaitFile(id + ".log"), HasSubstr("setup"));
}

TEST_F(SlurmJobs, MoreThanAnArrayTakes_IsSeveral) {
  SlurmProfile profile;
  profile.limits.array = 3;
  for (const auto& [key, most] :
       {std::pair("jobs:site", SlurmProfile()), std::pair("jobs:profile", profile)}) {
    auto system = System(most);
    JobRequest request = Script(key, "echo {task} > " + std::string(key) + ".{task}");
    request.count = 10;
    Submit(system, request);
    for (int task = 0; task < 10; ++task)
      EXPECT_EQ(lab().AwaitFile(std::string(key) + "." + std::to_string(task)),
                std::to_string(task) + "\n");
    const auto jobs = system.Find(key);
    ASSERT_TRUE(jobs.ok());
    EXPECT_EQ(jobs->size(), 10U);
  }
}

TEST_F(SlurmJobs, Cancelled_HasTimeForALastWord) {
  auto system = System();
  Submit(system, Script("jobs:term",
                        "trap 'sleep 1; echo saved > term; exit 0' TERM; echo > term-started; "
                        "while true; do sleep 0.1; done"));
  lab().AwaitFile("term-started");
  Cancel(system, "jobs:term");
  EXPECT_EQ(lab().AwaitFile("term"), "saved\n");
  EXPECT_THAT(tests::AwaitJob(system, "jobs:term", 0, JobState::kEnded).words,
              HasSubstr("CANCELLED"));
}

TEST_F(SlurmJobs, NodeWhoseCommandEnds_LeavesTheOthersAlone) {
  auto system = System();
  JobRequest request =
      Script("jobs:one", "if [ {node} = 0 ]; then exit 5; fi; sleep 2; echo on > other");
  request.nodes = 2;
  Submit(system, request);
  EXPECT_EQ(lab().AwaitFile("other"), "on\n");
  EXPECT_THAT(tests::AwaitJob(system, "jobs:one", 0, JobState::kEnded).words, HasSubstr("exit 5"));
}

TEST_F(SlurmJobs, Wrong_IsRefusedInSlurmsWords) {
  const JobRequest request = Script("jobs:wrong", "true");
  JobRequest with_gpu = request;
  with_gpu.gpus_per_node = 1;
  JobRequest long_time = request;
  long_time.time_seconds = 3600;
  const auto profile = [](auto change) {
    SlurmProfile made;
    change(made);
    return made;
  };
  const struct {
    SlurmProfile profile;
    JobRequest request;
    const char* check;
    const char* submit;  ///< null: sbatch takes it, to wait for ever
  } cases[] = {
      {profile([](auto& p) { p.partition = "nope"; }), request, "Invalid partition name specified",
       "Invalid partition name specified"},
      {profile([](auto& p) { p.partition = "closed", p.account = "art"; }), request,
       "partition closed is not for account art", nullptr},
      {profile([](auto& p) { p.partition = "short"; }), long_time, "at most 10 minutes", nullptr},
      {profile([](auto& p) { p.gpu_type = "a100"; }), with_gpu,
       "Requested node configuration is not available",
       "Requested node configuration is not available"},
      {profile([](auto& p) { p.constraint = "nope"; }), request, "Invalid feature specification",
       "Invalid feature specification"},
      {profile([](auto& p) { p.reservation = "nope"; }), request,
       "Requested reservation is invalid", "Requested reservation is invalid"},
      {profile([](auto& p) { p.sbatch = {"--no-such-option"}; }), request, "no-such-option",
       "no-such-option"},
  };
  for (const auto& row : cases) {
    auto system = System(row.profile);
    ExpectRefused(system.Check(row.request), ErrorKind::kInvalid, row.check);
    if (row.submit == nullptr) continue;
    ExpectRefused(system.Submit(row.request), ErrorKind::kInvalid, row.submit);
  }
}

TEST_F(SlurmJobs, ProfilesLimits_AreKept) {
  SlurmProfile profile;
  profile.limits = {.time_seconds = 600, .nodes = 1, .jobs = 2};
  auto system = System(profile);
  JobRequest request = Script("jobs:limits", "sleep 60");
  request.nodes = 2;
  ExpectRefused(system.Check(request), ErrorKind::kInvalid, "limits.nodes is 1");
  request.nodes = 1;
  request.time_seconds = 601;
  ExpectRefused(system.Check(request), ErrorKind::kInvalid, "limits.time");
  request.time_seconds = 600;
  request.count = 3;
  ExpectRefused(system.Check(request), ErrorKind::kInvalid, "limits.jobs is 2");
  request.count = 2;
  Submit(system, request);
  request.count = 1;
  ExpectRefused(system.Submit(request), ErrorKind::kResource, "2 jobs have not ended");
  Cancel(system, "jobs:limits");
}

TEST_F(SlurmJobs, DrainedNodes_AreNotForEver) {
  auto system = System();
  JobRequest request = Script("jobs:drained", "true");
  request.nodes = 2;
  lab().Slurm({"scontrol", "update", "nodename=n1", "state=drain", "reason=test"});
  ExpectRefused(system.Check(request), ErrorKind::kResource,
                "1 of the 2 nodes of this size in use");
  EXPECT_FALSE(Submit(system, request).empty()) << "it waits";
  tests::AwaitJob(system, "jobs:drained", 0, JobState::kWaiting);
  lab().Slurm({"scontrol", "update", "nodename=n1", "state=resume"});
  EXPECT_FALSE(tests::AwaitJob(system, "jobs:drained", 0, JobState::kEnded).failed);
  EXPECT_TRUE(system.Check(request).ok());
}

TEST_F(SlurmJobs, OfThePerson_AreNotMusters) {
  auto system = System();
  lab().Slurm({"sbatch", "--job-name=by|hand", "--comment=mine\nand more", "--output=/dev/null",
               "--mem=100M", "--wrap=sleep 60"});
  const auto jobs = system.Find("");
  ASSERT_TRUE(jobs.ok());
  for (const Job& job : *jobs) EXPECT_THAT(job.key, testing::StartsWith("jobs:"));
  lab().Slurm({"scancel", "--name=by|hand"});
}

}  // namespace
}  // namespace muster::cluster::slurm
