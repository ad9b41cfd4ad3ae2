#pragma once

#include <filesystem>
#include <optional>
#include <ranges>
#include <string>
#include <string_view>
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

/// What `muster rank` and `muster remote-start` are told by the environment, and a rank's program is not: where the
/// attempt lies on their node ...
inline constexpr const char* kAttemptDir = "MUSTER_ATTEMPT_DIR";
/// ... and where the gang's other nodes reach this one, in a gang that mpirun spreads over nodes.
inline constexpr const char* kNodeAddress = "MUSTER_NODE_ADDRESS";
/// Before what mpirun's log has for people.
inline constexpr std::string_view kToldByMuster = "muster: ";

/// mpirun's command line for a gang whose every rank is `self_executable rank`; the program has to lie there on
/// every node of `parts`. Its hosts are the parts in their order, with as many slots as ranks, so ranks are numbered
/// as the coordinator placed them. Empty `parts`: all are on this node.
std::vector<std::string> MpirunCommand(const std::filesystem::path& self_executable,
                                       const wire::Prepare& prepare,
                                       const std::vector<wire::GangPart>& parts);
/// What mpirun calls a node of the gang, by which `muster remote-start` is told where to start a daemon. An address
/// that no interface ever has (RFC 1112, class E): it is not looked up, and two agents of one machine stay two.
/// `node_rank` from 1; the first node is where mpirun is.
std::string HostOf(std::size_t node_rank);
/// The other way; nullopt for what is no such name.
std::optional<std::size_t> NodeRankOf(const std::string& host);

/// Open MPI's settings for mpirun, and for its daemon on another node, which `environment` may already override.
/// `address` as kNodeAddress, empty for a gang on one node. A daemon takes them from its own environment: none is passed on.
void AddMpiSettings(Environment& environment, const std::filesystem::path& self_executable,
                    const std::filesystem::path& scratch, const std::string& address);
/// Those which are each node's own. mpirun gives ranks everywhere what it has itself, so `muster rank` sets them.
Environment MpiSettingsOfNode(const std::filesystem::path& scratch, const std::string& address);

}  // namespace muster::cluster::local
