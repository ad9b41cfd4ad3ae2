#pragma once

#include <CLI/CLI.hpp>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "cluster/rank_environment.h"
#include "runtime/base/result.h"
#include "runtime/server/inventory.h"

/// The flags that say what a node has, of `muster server` and `muster agent join`.

namespace muster::cli {

struct NodeFlags {
  std::string slots = "auto", gpus = "auto", gpu_memory;
  std::vector<std::string> resources, labels;
};

void AddNodeFlags(CLI::App& command, const std::shared_ptr<NodeFlags>& flags);

/// Where InventoryOf looks; a test has its own.
struct Surroundings {
  cluster::ReadVariable environment;                     ///< Slurm's and the site's word
  std::string nvml = "libnvidia-ml.so.1";                ///< NVIDIA's driver library
  std::filesystem::path cgroup_root = "/sys/fs/cgroup";  ///< where control groups are mounted
  static Surroundings Own();
};

/// What they say, and what "auto" finds that this process may use: CPUs and memory as cluster/local/allowance.h says,
/// GPUs as gpus.h does. kInvalid names the flag.
Result<server::Inventory> InventoryOf(const NodeFlags& flags, int least_slots,
                                      const Surroundings& around = Surroundings::Own());

}  // namespace muster::cli
