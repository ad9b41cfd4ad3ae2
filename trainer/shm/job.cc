#include "trainer/shm/job.h"

#include "cluster/rank_environment.h"

namespace muster::trainer::shm {
namespace {

using Environment = std::function<std::string(const char*)>;

/// mpirun's own name of the job; either variable, by version.
std::string NameUnderMpirun(const Environment& environment) {
  const std::string name = environment("PMIX_NAMESPACE");
  return name.empty() ? environment("OMPI_MCA_ess_base_jobid") : name;
}

std::string NameOf(cluster::RankSource source, const Environment& environment) {
  const std::string mpirun = NameUnderMpirun(environment);
  if (source == cluster::RankSource::kTorchrun) {
    const std::string trial = environment("MUSTER_TRIAL");
    const std::string attempt = environment("MUSTER_ATTEMPT");
    if (trial.empty() || attempt.empty()) return "";
    return "muster " + environment("MUSTER_HOME_ID") + " " + trial + " " + attempt + " " + mpirun;
  }
  if (source == cluster::RankSource::kSlurm) {
    return "slurm " + environment("SLURM_JOB_ID") + "." + environment("SLURM_STEP_ID") + " " +
           environment("SLURM_RESTART_COUNT");
  }
  if (source == cluster::RankSource::kPmi) {
    const std::string job = environment("PMI_JOBID");  // Hydra
    return job.empty() ? "" : "pmi " + job;
  }
  return mpirun.empty() ? "" : "mpirun " + mpirun;
}

}  // namespace

std::optional<Job> FindJob(const Environment& environment) {
  const auto found = cluster::ReadRankEnvironment(environment);
  if (!found) return std::nullopt;
  Job job{.name = NameOf(found->source, environment),
          .rank = {.rank = found->rank, .world_size = found->world_size},
          .local_rank = found->local_rank.value_or(0),
          .local_world_size = found->local_world_size.value_or(1),
          .one_machine = found->one_node()};
  if (found->master_port > 0) {
    job.master_address = found->master_address;
    job.master_port = found->master_port;
  }
  job.master_is_launcher = environment("TORCHELASTIC_USE_AGENT_STORE") == "True";
  job.restart = environment("TORCHELASTIC_RESTART_COUNT");
  return job;
}

}  // namespace muster::trainer::shm
