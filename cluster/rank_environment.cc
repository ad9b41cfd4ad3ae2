#include "cluster/rank_environment.h"

#include <algorithm>
#include <array>
#include <charconv>

namespace muster::cluster {
namespace {

/// A column of the table in the header; null: not told.
struct Launcher {
  RankSource source;
  const char *rank, *world_size, *local_rank, *local_world_size, *node_rank, *nodes;
};

constexpr std::array<Launcher, 4> kLaunchers{{
    {.source = RankSource::kTorchrun,
     .rank = "RANK",
     .world_size = "WORLD_SIZE",
     .local_rank = "LOCAL_RANK",
     .local_world_size = "LOCAL_WORLD_SIZE",
     .node_rank = "GROUP_RANK",
     .nodes = "GROUP_WORLD_SIZE"},
    {.source = RankSource::kOpenMpi,
     .rank = "OMPI_COMM_WORLD_RANK",
     .world_size = "OMPI_COMM_WORLD_SIZE",
     .local_rank = "OMPI_COMM_WORLD_LOCAL_RANK",
     .local_world_size = "OMPI_COMM_WORLD_LOCAL_SIZE",
     .node_rank = nullptr,
     .nodes = nullptr},
    {.source = RankSource::kPmi,
     .rank = "PMI_RANK",
     .world_size = "PMI_SIZE",
     .local_rank = "MPI_LOCALRANKID",
     .local_world_size = "MPI_LOCALNRANKS",
     .node_rank = nullptr,
     .nodes = nullptr},
    {.source = RankSource::kSlurm,
     .rank = "SLURM_PROCID",
     .world_size = "SLURM_STEP_NUM_TASKS",
     .local_rank = "SLURM_LOCALID",
     .local_world_size = nullptr,
     .node_rank = "SLURM_NODEID",
     .nodes = "SLURM_STEP_NUM_NODES"},
}};

std::optional<std::int64_t> NumberOf(std::string_view text) {
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || number < 0) return std::nullopt;
  return number;
}

/// Clears a place that is not among so many.
void DropUnlessBelow(std::optional<std::int64_t>& place, std::optional<std::int64_t> count) {
  if (place && count && *place >= *count) place.reset();
}

std::optional<RankEnvironment> ReadFrom(const Launcher& launcher, const ReadVariable& environment) {
  const auto read = [&](const char* name) {
    return name == nullptr ? std::nullopt : NumberOf(environment(name));
  };
  const auto rank = read(launcher.rank), size = read(launcher.world_size);
  if (!rank || !size || *rank >= *size) return std::nullopt;
  RankEnvironment found{.source = launcher.source,
                        .rank = *rank,
                        .world_size = *size,
                        .local_rank = read(launcher.local_rank),
                        .local_world_size = read(launcher.local_world_size),
                        .node_rank = read(launcher.node_rank),
                        .nodes = read(launcher.nodes),
                        .master_address = environment("MASTER_ADDR"),
                        .master_port = 0};
  if (launcher.source == RankSource::kTorchrun && !found.node_rank) {
    found.node_rank = read("NODE_RANK");
  }
  if (launcher.source == RankSource::kSlurm && found.node_rank) {
    found.local_world_size =
        TasksOnNode(environment("SLURM_STEP_TASKS_PER_NODE"), *found.node_rank);
  }
  if (found.local_world_size == 0 || found.local_world_size > size) found.local_world_size.reset();
  DropUnlessBelow(found.local_rank, found.local_world_size.value_or(*size));
  DropUnlessBelow(found.node_rank, found.nodes);
  const auto port = read("MASTER_PORT");
  if (port && *port <= 65'535) found.master_port = static_cast<int>(*port);
  return found;
}

}  // namespace

std::optional<RankEnvironment> ReadRankEnvironment(const ReadVariable& environment) {
  for (const Launcher& launcher : kLaunchers) {
    if (auto found = ReadFrom(launcher, environment)) return found;
  }
  return std::nullopt;
}

std::optional<std::int64_t> TasksOnNode(std::string_view tasks_per_node, std::int64_t node) {
  while (!tasks_per_node.empty()) {
    const std::string_view part = tasks_per_node.substr(0, tasks_per_node.find(','));
    tasks_per_node.remove_prefix(std::min(part.size() + 1, tasks_per_node.size()));
    const auto repeat = part.find("(x");
    const auto tasks = NumberOf(part.substr(0, repeat));
    std::optional<std::int64_t> nodes = 1;
    if (repeat != std::string_view::npos && part.ends_with(')'))
      nodes = NumberOf(part.substr(repeat + 2, part.size() - repeat - 3));
    if (!tasks || !nodes) return std::nullopt;
    if (node < *nodes) return tasks;
    node -= *nodes;
  }
  return std::nullopt;
}

bool TellsRank(std::string_view name) {
  static constexpr std::array<std::string_view, 8> kPrefixes{
      "OMPI_", "PMIX_", "PMI_", "ORTE_", "PRTE_", "HYDRA_", "MPI_LOCAL", "TORCHELASTIC_"};
  static constexpr std::array<std::string_view, 12> kNames{
      "RANK",        "WORLD_SIZE",     "LOCAL_RANK", "LOCAL_WORLD_SIZE", "NODE_RANK",
      "MASTER_ADDR", "MASTER_PORT",    "GROUP_RANK", "GROUP_WORLD_SIZE", "ROLE_RANK",
      "ROLE_NAME",   "ROLE_WORLD_SIZE"};
  static constexpr std::array<std::string_view, 13> kOfTheJob{
      "SLURM_JOB_ID",  "SLURM_JOB_NAME",     "SLURM_JOB_PARTITION", "SLURM_JOB_ACCOUNT",
      "SLURM_JOB_QOS", "SLURM_JOB_USER",     "SLURM_JOB_UID",       "SLURM_JOB_START_TIME",
      "SLURM_CONF",    "SLURM_CLUSTER_NAME", "SLURM_SUBMIT_DIR",    "SLURM_JOB_END_TIME",
      "SLURM_TMPDIR"};
  // Open MPI takes SLURM_JOBID for leave to start its daemons with srun, others SLURM_NTASKS for a gang of their own.
  if (name.starts_with("SLURM_")) return std::ranges::count(kOfTheJob, name) == 0;
  if (name.starts_with("OMPI_MCA_") &&
      (name.ends_with("_if_include") || name.ends_with("_if_exclude")))
    return false;  // the site's networks
  return std::ranges::any_of(kPrefixes, [&](auto prefix) { return name.starts_with(prefix); }) ||
         std::ranges::count(kNames, name) != 0;
}

}  // namespace muster::cluster
