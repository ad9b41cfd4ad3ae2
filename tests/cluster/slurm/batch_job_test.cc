#include "cluster/slurm/batch_job.h"

#include <gmock/gmock.h>

#include "runtime/config/slurm_profile.h"

namespace muster::cluster::slurm {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

JobRequest Request() {
  return {.key = "pool.gpu:17",
          .name = "digits",
          .first_task = 0,
          .count = 1,
          .nodes = 2,
          .cpus_per_node = 8,
          .gpus_per_node = 4,
          .memory_bytes_per_node = (3LL << 30) + 1,
          .time_seconds = 3'601,
          .warn_seconds = 120,
          .command = {"muster", "agent", "join", "--name", "gpu-{task}-{node}", "it's"},
          .log_dir = "/shared/50%/logs"};
}

TEST(BatchJob, OfARequest_HasFixedCountsAndTheKeyTwice) {
  SlurmProfile profile;
  profile.partition = "gpu";
  profile.account = "physics";
  profile.qos = "long";
  profile.constraint = "a100|h100";
  profile.reservation = "course";
  profile.gpu_type = "a100";
  EXPECT_THAT(MakeBatchJob(Request(), profile, 0, 1).arguments,
              ElementsAre("--parsable", "--open-mode=append", "--job-name=digits@pool.gpu:17/0",
                          "--comment=muster:pool.gpu:17/0", "--nodes=2", "--ntasks=2",
                          "--ntasks-per-node=1", "--cpus-per-task=8", "--mem=3073M",
                          "--gpus-per-node=a100:4", "--time=61", "--signal=USR2@120",
                          "--no-requeue", "--output=/shared/50%%/logs/%j.log",
                          "--chdir=/shared/50%/logs", "--partition=gpu", "--account=physics",
                          "--qos=long", "--constraint=a100|h100", "--reservation=course"));
}

TEST(BatchJob, OfSeveralTasks_IsAnArrayFromItsFirst) {
  JobRequest request = Request();
  request.requeue = true;
  request.gpus_per_node = 0;
  request.memory_bytes_per_node = request.time_seconds = request.warn_seconds = 0;
  const BatchJob job = MakeBatchJob(request, {}, 1000, 500);
  EXPECT_THAT(job.arguments, Contains("--array=0-499"));
  EXPECT_THAT(job.arguments, Contains("--comment=muster:pool.gpu:17/1000"));
  EXPECT_THAT(job.arguments, Contains("--output=/shared/50%%/logs/%A_%a.log"));
  EXPECT_THAT(job.arguments, Contains("--requeue"));
  for (const char* option : {"--mem", "--time", "--signal", "--gpus", "--partition"})
    EXPECT_THAT(job.arguments, Not(Contains(StartsWith(option))));
  EXPECT_THAT(job.script, HasSubstr("MUSTER_JOB_TASK=$((1000 + ${SLURM_ARRAY_TASK_ID:-0}))\n"));
}

TEST(BatchJob, Script_IsTheProfilesAndThenSrun) {
  SlurmProfile profile;
  profile.modules = {"gcc/12", "cuda"};
  profile.sbatch = {"--exclusive"};
  profile.setup = "ulimit -n 65536";
  profile.environment = {{"OMP_NUM_THREADS", "4"}, {"WHAT", "it's $HOME"}};
  profile.container = {.image = "/images/muster.sif", .options = {"--bind", "/scratch"}};
  EXPECT_EQ(
      MakeBatchJob(Request(), profile, 3, 1).script,
      R"x(#!/bin/bash
#SBATCH --exclusive
export OMP_NUM_THREADS='4'
export WHAT='it'\''s $HOME'
[ -n "$(type -t module)" ] || . /etc/profile
module load 'gcc/12' 'cuda'
ulimit -n 65536
export MUSTER_JOB_TASK=$((3 + ${SLURM_ARRAY_TASK_ID:-0}))
exec srun --nodes=2 --ntasks=2 --ntasks-per-node=1 --cpus-per-task=8 --mpi=none --kill-on-bad-exit=0 --wait=0 --export=ALL /bin/sh -c )x"
      R"x('exec '\''apptainer'\'' '\''exec'\'' '\''--nv'\'' '\''--bind'\'' '\''/scratch'\'' '\''/images/muster.sif'\'' )x"
      R"x('\''muster'\'' '\''agent'\'' '\''join'\'' '\''--name'\'' '\''gpu-'\''"$MUSTER_JOB_TASK"'\''-'\''"$SLURM_NODEID" )x"
      R"x('\''it'\''\'\'''\''s'\'''
)x");
}

TEST(BatchJob, Name_IsOneWordThatTablesCanCarry) {
  JobRequest request = Request();
  request.name = "a b|c\n" + std::string(100, 'x');
  EXPECT_THAT(MakeBatchJob(request, {}, 0, 1).arguments,
              Contains("--job-name=a_b_c_" + std::string(58, 'x') + "@pool.gpu:17/0"));
}

TEST(JobTag, ComesFromTheCommentOrTheName) {
  const struct {
    const char* comment;
    const char* name;
    JobTag tag;
  } cases[] = {
      {"muster:pool:1/0", "digits@pool:1/0", {"pool:1", 0}},
      {"muster:pool:1/2000", "renamed", {"pool:1", 2000}},
      {"(null)", "di@gits@pool:1/7", {"pool:1", 7}},
      {"the site's own words", "digits@pool:1/7", {"pool:1", 7}},
      {"muster:pool:1", "bash", {}},
      {"muster:pool:1/x", "bash@", {}},
      {"muster:/1", "bash@/1", {}},
      {"muster:pool:1/-1", "a@b/-1", {}},
      {"", "", {}},
  };
  for (const auto& [comment, name, tag] : cases)
    EXPECT_EQ(ReadTag(comment, name), tag) << comment << " " << name;
}

TEST(Profiles, ThatShip_AreRead) {
  int read = 0;
  for (const auto& file : std::filesystem::directory_iterator(MUSTER_TEST_PROFILES)) {
    const auto profile = config::ReadSlurmProfile(file.path());
    EXPECT_TRUE(profile.ok()) << profile.error().message;
    ++read;
  }
  EXPECT_GE(read, 3);
}

}  // namespace
}  // namespace muster::cluster::slurm
