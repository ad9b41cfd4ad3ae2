#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "cluster/local/attempt_folder.h"
#include "cluster/local/spawn.h"
#include "runtime/wire/messages.h"

/// What a rank finds when it starts ("The contract between muster and any trial", cluster/README.md), as
/// functions of the Prepare and the Go alone.

namespace muster::cluster::local {

/// One rank of a gang that lies on one node.
struct RankPlace {
  int rank = 0;
  int world_size = 1;
};

/// The whole environment that all ranks share: `base`, then the contract's variables, then Prepare's own
/// `env`, which wins except over the marks.
Environment GangEnvironment(Environment base, const AttemptFolder& folder,
                            const std::string& home_id, const wire::Prepare& prepare,
                            const wire::Go& go);
/// RANK, WORLD_SIZE, LOCAL_RANK, LOCAL_WORLD_SIZE.
void AddRank(Environment& environment, const RankPlace& place);

/// mpirun's command line for a gang whose every rank is `self_executable rank FOLDER -- command`.
std::vector<std::string> MpirunCommand(const std::filesystem::path& self_executable,
                                       const AttemptFolder& folder, const wire::Prepare& prepare);
/// Open MPI's settings for one node, which `environment` may already override.
void AddMpiSettings(Environment& environment, const std::filesystem::path& scratch);

}  // namespace muster::cluster::local
