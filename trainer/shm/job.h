#pragma once

#include <functional>
#include <optional>
#include <string>

#include "trainer/row_order.h"

/// What the environment says about the job that this process is a rank of.

namespace muster::trainer::shm {

struct Job {
  /// The same for its ranks, and no other job's; an attempt's, where a job is attempted anew. Empty: the
  /// launcher (torchrun) gives none, and the ranks agree on one at the master's address.
  std::string name;
  RankInfo rank;
  std::int64_t local_rank = 0;        ///< among the ranks of its machine; not told: 0
  std::int64_t local_world_size = 1;  ///< not told: 1
  /// All ranks are on this machine, as the launcher tells; not known: false.
  bool one_machine = false;
  std::string master_address;  ///< empty: none
  int master_port = 0;
  bool master_is_launcher = false;  ///< torchrun itself keeps the store; else rank 0 does
  std::string restart;  ///< how often torchrun has restarted the ranks; keeps attempts apart
};

/// `environment` answers the empty string for what is not set. Nothing: a process alone, not a rank. It knows the
/// launchers of cluster/rank_environment.h; MPI itself is not needed.
std::optional<Job> FindJob(const std::function<std::string(const char* name)>& environment);

}  // namespace muster::trainer::shm
