#pragma once

#include <CLI/CLI.hpp>
#include <memory>
#include <string>
#include <vector>

#include "runtime/base/result.h"
#include "runtime/server/inventory.h"

/// The flags that say what a node has, of `muster server` and `muster agent join`.

namespace muster::cli {

struct NodeFlags {
  std::string slots = "auto", gpus = "auto", gpu_memory;
  std::vector<std::string> resources, labels;
};

void AddNodeFlags(CLI::App& command, const std::shared_ptr<NodeFlags>& flags);

/// What they say, and what "auto" finds on this machine. GPUs and their memory are what NVIDIA's driver says, through
/// its library `nvml`. kInvalid names the flag.
Result<server::Inventory> InventoryOf(const NodeFlags& flags, int least_slots,
                                      const std::string& nvml = "libnvidia-ml.so.1");

}  // namespace muster::cli
