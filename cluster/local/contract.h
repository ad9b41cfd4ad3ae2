#pragma once

#include <filesystem>
#include <ranges>
#include <string>
#include <vector>

#include "cluster/local/attempt_folder.h"
#include "cluster/local/spawn.h"
#include "runtime/wire/messages.h"

/// What a rank finds when it starts ("The contract between muster and any trial", cluster/README.md), as
/// functions of the Prepare and the Go alone.

namespace muster::cluster::local {

/// The numbers, in the whole gang, of the ranks on this node.
inline auto RanksOf(const wire::Prepare& prepare) {
  return std::views::iota(prepare.first_rank, prepare.first_rank + prepare.ranks);
}

/// The whole environment that all ranks share: `base`, then the contract's variables, then Prepare's own
/// `env`, which wins except over the marks.
Environment GangEnvironment(Environment base, const AttemptFolder& folder,
                            const std::string& home_id, const wire::Prepare& prepare,
                            const wire::Go& go);
/// What is one rank's own: RANK, LOCAL_RANK, MUSTER_HEARTBEAT, and the GPU of a rank that has a share of one.
void AddRank(Environment& environment, const wire::Prepare& prepare, int rank);

/// Binds one rank to the CPUs that its node has chosen for it, if it has (MUSTER_CPUS says so to the program): `ranks` are
/// those of this node, `local` its place among them.
void BindRank(SpawnRequest& request, const std::vector<RankCpus>& ranks, int local);

/// mpirun's command line for a gang whose every rank is `self_executable rank FOLDER -- command`.
std::vector<std::string> MpirunCommand(const std::filesystem::path& self_executable,
                                       const AttemptFolder& folder, const wire::Prepare& prepare);
/// Open MPI's settings for one node, which `environment` may already override.
void AddMpiSettings(Environment& environment, const std::filesystem::path& scratch);

}  // namespace muster::cluster::local
