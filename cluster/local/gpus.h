#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "cluster/local/nvml.h"
#include "cluster/rank_environment.h"

/// The GPUs that an agent has to give out, numbered as its server numbers them.

namespace muster::cluster::local {

struct Gpu {
  std::string name;               ///< as visible_devices.h has it
  std::int64_t memory_bytes = 0;  ///< 0: not known
  std::string pci;                ///< "0000:3b:00.0"; empty: not known
};

/// Those that the driver's library `nvml` knows and the environment shows. Without the library they are /dev/nvidia0,
/// /dev/nvidia1, ..., and in a job to which Slurm has given GPUs those that it names.
std::vector<Gpu> VisibleGpus(const ReadVariable& environment, const std::string& nvml);

}  // namespace muster::cluster::local
