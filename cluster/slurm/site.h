#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cluster/batch_system.h"
#include "cluster/slurm_profile.h"

/// What a site has, and whether a request fits it at all, as opposed to now: sbatch refuses what is too large for ever
/// and what no node can take just now with one exit code and, in part, the same words. Pure.

namespace muster::cluster::slurm {

/// Of `scontrol show config`.
struct SiteConfig {
  std::string version;    ///< "22.05.8"
  int array_most = 1;     ///< jobs of an array
  bool accounts = false;  ///< whether there is a slurmdbd to ask
};
SiteConfig ReadSiteConfig(std::string_view text);

/// Whether `more` jobs are beyond what this user, or somebody with them, may have in the queue, and fewer would not be:
/// of `scontrol show assoc_mgr`, where limits stand beside their use ("MaxSubmitJobs=2(1)").
bool IsQueueFull(std::string_view text, int more);

/// Of `scontrol --oneliner show partition`.
struct Partition {
  std::string name;
  bool is_default = false;
  bool is_up = false;
  std::optional<std::int64_t> minutes_most;
  std::optional<int> nodes_most;
  std::vector<std::string> accounts, not_accounts, qos,
      not_qos;  ///< allowed and denied; empty: all, none
};
std::vector<Partition> ReadPartitions(std::string_view text);

/// Of sinfo with NodeArguments: one for each node and partition.
struct Node {
  std::string partition;
  int cpus = 0;
  std::int64_t memory_mib = 0;
  std::vector<std::pair<std::string, int>> gpus;  ///< type and number
  bool usable = false;                            ///< not down, drained or reserved
};
std::vector<std::string> NodeArguments();
std::vector<Node> ReadNodes(std::string_view text);

enum class Fit {
  kNever,   ///< the site has no such thing
  kNotNow,  ///< it has, and it is out of use
  kYes,
};
struct Fitting {
  Fit fit = Fit::kYes;
  std::string why;  ///< a sentence, unless kYes
};
/// Whether one of the profile's partitions (the site's default where it names none) has what is asked for. Features and
/// reservations are not looked at.
Fitting FitOf(const JobRequest& request, const SlurmProfile& profile,
              const std::vector<Partition>& partitions, const std::vector<Node>& nodes);

}  // namespace muster::cluster::slurm
