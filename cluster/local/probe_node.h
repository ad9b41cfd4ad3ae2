#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "cluster/doctor.h"
#include "cluster/local/probe_folder.h"

/// What `muster probe` sees of its own node.

namespace muster::cluster::local {

struct ProbeNodeOptions {
  std::string node, muster;               ///< as NodeFacts
  std::string address;                    ///< of this node, for others
  std::filesystem::path self_executable;  ///< that has the subcommand `probe`
  std::string nvml = "libnvidia-ml.so.1";
};

/// Leaves the node's token in `folder`. Takes some seconds at most, mpirun's hello included.
NodeFacts LookAtNode(const ProbeNodeOptions& options, const ProbeFolder& folder);

}  // namespace muster::cluster::local
