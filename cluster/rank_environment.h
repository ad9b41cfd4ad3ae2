#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

/// Which rank of which job a process is, as launchers tell it in the environment: one contract for what muster starts
/// and for what a person starts with torchrun, mpirun, mpiexec or srun.
///
/// All of it comes from one launcher, the first in this order whose rank and size are both there and fit each other.
/// An inner launcher stands before an outer one: torchrun under srun is torchrun.
///
///   |                  | 1 muster, torchrun    | 2 Open MPI                 | 3 PMI (Hydra, Intel) | 4 Slurm's step            |
///   | rank             | RANK                  | OMPI_COMM_WORLD_RANK       | PMI_RANK             | SLURM_PROCID              |
///   | world_size       | WORLD_SIZE            | OMPI_COMM_WORLD_SIZE       | PMI_SIZE             | SLURM_STEP_NUM_TASKS      |
///   | local_rank       | LOCAL_RANK            | OMPI_COMM_WORLD_LOCAL_RANK | MPI_LOCALRANKID      | SLURM_LOCALID             |
///   | local_world_size | LOCAL_WORLD_SIZE      | OMPI_COMM_WORLD_LOCAL_SIZE | MPI_LOCALNRANKS      | SLURM_STEP_TASKS_PER_NODE |
///   | node_rank        | GROUP_RANK, NODE_RANK |                            |                      | SLURM_NODEID              |
///   | nodes            | GROUP_WORLD_SIZE      |                            |                      | SLURM_STEP_NUM_NODES      |
///
/// Not SLURM_NTASKS, which a batch script's own process has as well; not OMPI_COMM_WORLD_NODE_RANK, which is a place
/// among the node's processes; not PMIX_RANK, beside which no size is told.

namespace muster::cluster {

enum class RankSource { kTorchrun, kOpenMpi, kPmi, kSlurm };

struct RankEnvironment {
  RankSource source = RankSource::kTorchrun;
  std::int64_t rank = 0, world_size = 1;
  /// What the launcher does not tell is empty, and so is what contradicts the rest.
  std::optional<std::int64_t> local_rank, local_world_size, node_rank, nodes;
  std::string master_address;  ///< MASTER_ADDR, whoever set it; empty: none
  int master_port = 0;         ///< MASTER_PORT

  [[nodiscard]] bool one_node() const { return nodes == 1 || local_world_size == world_size; }
  friend bool operator==(const RankEnvironment&, const RankEnvironment&) = default;
};

/// Answers the empty string for what is not set.
using ReadVariable = std::function<std::string(const char* name)>;

/// Nothing: a process alone, not a rank.
std::optional<RankEnvironment> ReadRankEnvironment(const ReadVariable& environment);

/// The tasks of node `node` in Slurm's form, "4(x2),3" for 4, 4 and 3; nothing when it has no such node.
std::optional<std::int64_t> TasksOnNode(std::string_view tasks_per_node, std::int64_t node);

/// Would this variable tell a program of a launcher's job that it is not a rank of? So it is not handed on from a
/// Slurm job or an mpirun, in which an agent runs, to what the agent starts. Of Slurm's variables those stay that
/// name the job and the site.
bool TellsRank(std::string_view name);

}  // namespace muster::cluster
