#include "trainer/shm/job.h"

#include <charconv>

namespace muster::trainer::shm {
namespace {

using Environment = std::function<std::string(const char*)>;

std::optional<std::int64_t> Number(const std::string& text) {
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

std::optional<RankInfo> RankOf(const Environment& environment, const char* rank,
                               const char* world_size) {
  const auto mine = Number(environment(rank));
  const auto all = Number(environment(world_size));
  if (!mine || !all) return std::nullopt;
  return RankInfo{.rank = *mine, .world_size = *all};
}

/// mpirun's own name of the job; either variable, by version.
std::string NameUnderMpirun(const Environment& environment) {
  const std::string name = environment("PMIX_NAMESPACE");
  return name.empty() ? environment("OMPI_MCA_ess_base_jobid") : name;
}

}  // namespace

std::optional<Job> FindJob(const Environment& environment) {
  Job job;
  const std::string mpirun = NameUnderMpirun(environment);
  if (const auto rank = RankOf(environment, "RANK", "WORLD_SIZE")) {
    job.rank = *rank;
    job.one_machine = Number(environment("LOCAL_WORLD_SIZE")) == rank->world_size;
    const std::string trial = environment("MUSTER_TRIAL");
    const std::string attempt = environment("MUSTER_ATTEMPT");
    if (!trial.empty() && !attempt.empty()) {
      job.name =
          "muster " + environment("MUSTER_HOME_ID") + " " + trial + " " + attempt + " " + mpirun;
    }
  } else if (const auto under_mpirun =
                 RankOf(environment, "OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE")) {
    job.rank = *under_mpirun;
    job.one_machine = Number(environment("OMPI_COMM_WORLD_LOCAL_SIZE")) == job.rank.world_size;
    if (!mpirun.empty()) job.name = "mpirun " + mpirun;
  } else if (const auto under_srun =
                 // Of the step: a batch script's own process has the job's SLURM_NTASKS.
             RankOf(environment, "SLURM_PROCID", "SLURM_STEP_NUM_TASKS")) {
    job.rank = *under_srun;
    job.one_machine = environment("SLURM_STEP_NUM_NODES") == "1";
    job.name = "slurm " + environment("SLURM_JOB_ID") + "." + environment("SLURM_STEP_ID") + " " +
               environment("SLURM_RESTART_COUNT");
  } else {
    return std::nullopt;
  }
  if (const auto port = Number(environment("MASTER_PORT"))) {
    job.master_address = environment("MASTER_ADDR");
    job.master_port = static_cast<int>(*port);
  }
  job.master_is_launcher = environment("TORCHELASTIC_USE_AGENT_STORE") == "True";
  job.restart = environment("TORCHELASTIC_RESTART_COUNT");
  return job;
}

}  // namespace muster::trainer::shm
