#pragma once

#include <boost/json/fwd.hpp>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "runtime/base/result.h"

/// What a site's Slurm wants said that no request says (runtime/config/slurm_profile.h reads it from YAML). Pure.

namespace muster::cluster {

/// Empty text and 0: what the site gives.
struct SlurmProfile {
  std::string partition, account, qos, constraint, reservation;
  std::string gpu_type;              ///< "a100" of gres.conf's Type
  std::vector<std::string> modules;  ///< for `module load`
  struct Container {
    std::string image;                 ///< of Apptainer; empty: none
    std::vector<std::string> options;  ///< of `apptainer exec`
  } container;
  std::vector<std::string>
      sbatch;         ///< further options, "--exclusive"; none that muster sets itself
  std::string setup;  ///< lines of bash, before the command is started
  std::map<std::string, std::string> environment;
  struct Limits {
    std::int64_t time_seconds = 0;
    int nodes = 0;  ///< of a job
    int jobs = 0;   ///< of muster's that have not ended
    int array = 0;  ///< jobs of an array; the site's own limits hold as well
  } limits;
};

/// Errors say "at PATH: SENTENCE", for unknown keys too.
Result<SlurmProfile> SlurmProfileFromJson(const boost::json::value& json);

}  // namespace muster::cluster
