#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "cluster/batch_system.h"
#include "cluster/slurm/command.h"
#include "cluster/slurm/queue.h"
#include "cluster/slurm/site.h"
#include "cluster/slurm_profile.h"

/// The port to a batch system over Slurm's commands, as the user who runs this process. What they say in words goes to
/// people and decides nothing: exit codes, tables of our asking and the site's own facts do (cluster/slurm/README.md).

namespace muster::cluster::slurm {

struct SlurmOptions {
  Environment
      environment;  ///< the caller's: PATH, SLURM_CONF, ... (CommandEnvironment is taken of it)
  /// sbatch waits in the command itself while a controller is busy or away.
  std::chrono::milliseconds submit_deadline{60'000};
  std::chrono::milliseconds query_deadline{30'000};  ///< of every other command
};

class SlurmBatchSystem final : public BatchSystem {
 public:
  SlurmBatchSystem(SlurmProfile profile, const SlurmOptions& options);

  Status Check(const JobRequest& request) override;
  Result<std::string> Submit(const JobRequest& request) override;
  Result<std::vector<Job>> Find(const std::string& prefix) override;
  Status Cancel(const std::vector<JobRef>& jobs) override;
  Result<bool> Counts() override;
  Result<std::vector<JobUsage>> Usage(const std::vector<JobRef>& jobs) override;

 private:
  [[nodiscard]] Result<CommandResult> Ask(std::vector<std::string> arguments) const;
  /// The output of a command that must succeed; else kUnavailable in its words.
  [[nodiscard]] Result<std::string> Answer(std::vector<std::string> arguments) const;
  [[nodiscard]] Result<std::vector<QueueRow>> Queue() const;
  Result<SiteConfig> Config();
  [[nodiscard]] Status CheckLimits(const JobRequest& request) const;
  [[nodiscard]] Result<CommandResult> Sbatch(const JobRequest& request, int first, int count,
                                             bool test_only) const;
  Result<std::string> SubmitPart(const JobRequest& request, int first, int count);
  [[nodiscard]] Result<Fitting> FitAtSite(const JobRequest& request) const;
  /// Whether the user's limits, where Slurm knows any, leave no room for so many more jobs.
  [[nodiscard]] bool IsTooMuch(int more) const;
  /// Why sbatch failed to submit `count` jobs from `first` on.
  [[nodiscard]] Error Refusal(const JobRequest& request, int first, int count,
                              const CommandResult& refused) const;

  SlurmProfile profile_;
  SlurmOptions options_;
  std::optional<SiteConfig> config_;  ///< once it was read
};

}  // namespace muster::cluster::slurm
