#include "trainer/shm/job.h"

#include <gtest/gtest.h>

#include <map>

namespace muster::trainer::shm {
namespace {

std::optional<Job> Find(std::map<std::string, std::string> environment) {
  return FindJob([&](const char* name) { return environment[name]; });
}

TEST(FindJob, NothingSet_NoJob) {
  EXPECT_FALSE(Find({}));
  EXPECT_FALSE(Find({{"RANK", "first"}, {"WORLD_SIZE", "2"}}));
  // A batch script's own process: no step of several tasks.
  EXPECT_FALSE(Find({{"SLURM_JOB_ID", "7"}, {"SLURM_PROCID", "0"}, {"SLURM_NTASKS", "4"}}));
}

TEST(FindJob, UnderMpirun_NamedByIt) {
  const auto job = Find({{"OMPI_COMM_WORLD_RANK", "1"},
                         {"OMPI_COMM_WORLD_SIZE", "2"},
                         {"OMPI_COMM_WORLD_LOCAL_RANK", "1"},
                         {"OMPI_COMM_WORLD_LOCAL_SIZE", "2"},
                         {"OMPI_MCA_ess_base_jobid", "4711"}});
  ASSERT_TRUE(job);
  EXPECT_EQ(job->rank, (RankInfo{.rank = 1, .world_size = 2}));
  EXPECT_EQ(job->name, "mpirun 4711");
  EXPECT_EQ(job->local_rank, 1);
  EXPECT_EQ(job->local_world_size, 2);
  EXPECT_TRUE(job->one_machine);
}

TEST(FindJob, UnderMuster_NamedByTrialAndAttempt) {
  std::map<std::string, std::string> environment{
      {"RANK", "0"},          {"WORLD_SIZE", "4"},     {"LOCAL_WORLD_SIZE", "2"},
      {"MUSTER_TRIAL", "t7"}, {"MUSTER_ATTEMPT", "3"}, {"MUSTER_HOME_ID", "h"}};
  const auto job = Find(environment);
  ASSERT_TRUE(job);
  EXPECT_FALSE(job->one_machine);
  environment["MUSTER_ATTEMPT"] = "4";
  EXPECT_NE(job->name, Find(environment)->name);
}

TEST(FindJob, UnderTorchrun_NoNameButAMaster) {
  const auto job = Find({{"RANK", "1"},
                         {"WORLD_SIZE", "2"},
                         {"LOCAL_WORLD_SIZE", "2"},
                         {"MASTER_ADDR", "127.0.0.1"},
                         {"MASTER_PORT", "29500"},
                         {"TORCHELASTIC_RUN_ID", "none"},
                         {"TORCHELASTIC_RESTART_COUNT", "2"},
                         {"TORCHELASTIC_USE_AGENT_STORE", "True"}});
  ASSERT_TRUE(job);
  EXPECT_TRUE(job->name.empty());
  EXPECT_TRUE(job->one_machine);
  EXPECT_EQ(job->master_address, "127.0.0.1");
  EXPECT_EQ(job->master_port, 29500);
  EXPECT_TRUE(job->master_is_launcher);
  EXPECT_EQ(job->restart, "2");
}

TEST(FindJob, UnderSrun_NamedByJobStepAndRestart) {
  const auto job = Find({{"SLURM_JOB_ID", "7"},
                         {"SLURM_STEP_ID", "1"},
                         {"SLURM_PROCID", "2"},
                         {"SLURM_STEP_NUM_TASKS", "4"},
                         {"SLURM_STEP_NUM_NODES", "1"},
                         {"SLURM_RESTART_COUNT", "5"}});
  ASSERT_TRUE(job);
  EXPECT_EQ(job->rank, (RankInfo{.rank = 2, .world_size = 4}));
  EXPECT_EQ(job->name, "slurm 7.1 5");
  EXPECT_TRUE(job->one_machine);
}

}  // namespace
}  // namespace muster::trainer::shm
