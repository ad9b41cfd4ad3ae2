#pragma once

#include <string>

#include "cluster/binding.h"
#include "runtime/base/result.h"

/// The machine's cores, NUMA nodes and GPUs by hwloc (https://www.open-mpi.org/projects/hwloc), whose library is looked
/// for when it is first needed: no start waits for it, and a node without it binds nobody.

namespace muster::cluster::local {

/// Cores that this process may use (its affinity), in hwloc's order. With `synthetic` ("numa:2 core:4 pu:2", hwloc's
/// own notation) of a machine that is not there. kUnavailable without the library. Takes some milliseconds.
Result<Topology> ReadTopology(const std::string& synthetic = "");

/// More than one NUMA node, as the kernel lists them; without hwloc.
bool HasSeveralNumaNodes();

}  // namespace muster::cluster::local
