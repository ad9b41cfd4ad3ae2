#include "cluster/slurm/slurm_batch_system.h"

#include <pwd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <span>
#include <utility>

#include "cluster/slurm/batch_job.h"
#include "cluster/slurm/text.h"

namespace muster::cluster::slurm {
namespace {

/// Ids of one scancel or sacct.
constexpr std::size_t kIdsMost = 200;

/// What a command said, on one line: "Invalid partition name specified".
std::string WordsOf(const CommandResult& result) {
  std::string words;
  for (std::string_view line : Split(result.err, '\n')) {
    for (const std::string_view prefix :
         {"sbatch: error: ", "sbatch: ", "slurm_load_jobs error: "}) {
      if (line.starts_with(prefix)) line.remove_prefix(prefix.size());
    }
    if (line = Trimmed(line); !line.empty()) words.append(words.empty() ? "" : "; ").append(line);
  }
  return words.empty() ? "exit " + std::to_string(result.exit_code) + " without a word" : words;
}

bool IsMeant(const QueueRow& row, const JobRef& ref) {
  return row.job.key == ref.key && (row.job.id == ref.id || row.array == ref.id);
}

bool IsOver(const QueueRow& row) {
  return row.job.state == JobState::kEnded || row.job.state == JobState::kEnding;
}

}  // namespace

SlurmBatchSystem::SlurmBatchSystem(SlurmProfile profile, const SlurmOptions& options)
    : profile_(std::move(profile)), options_(options) {
  options_.environment = CommandEnvironment(options.environment);
}

Result<CommandResult> SlurmBatchSystem::Ask(std::vector<std::string> arguments) const {
  Command command{std::move(arguments), options_.environment, "", options_.query_deadline};
  command.environment["SLURM_TIME_FORMAT"] = "%s";
  return RunCommand(command);
}

Result<std::string> SlurmBatchSystem::Answer(std::vector<std::string> arguments) const {
  const std::string program = arguments[0];
  MUSTER_ASSIGN_OR_RETURN(CommandResult result, Ask(std::move(arguments)));
  if (result.exit_code != 0) return Unavailable(program + ": " + WordsOf(result));
  return std::move(result.out);
}

Result<std::vector<QueueRow>> SlurmBatchSystem::Queue() const {
  MUSTER_ASSIGN_OR_RETURN(const std::string text, Answer(QueueArguments()));
  return ReadQueue(text);
}

Result<SiteConfig> SlurmBatchSystem::Config() {
  if (!config_) {
    MUSTER_ASSIGN_OR_RETURN(const std::string text, Answer({"scontrol", "show", "config"}));
    config_ = ReadSiteConfig(text);
  }
  return *config_;
}

Status SlurmBatchSystem::CheckLimits(const JobRequest& request) const {
  MUSTER_RETURN_IF_ERROR(CheckRequest(request));
  const auto& limits = profile_.limits;
  const auto beyond = [](const char* what, std::int64_t wanted, std::int64_t most) {
    return Invalid("the Slurm profile's limits." + std::string(what) + " is " +
                   std::to_string(most) + ", and " + std::to_string(wanted) + " are wanted");
  };
  if (limits.time_seconds > 0 && request.time_seconds > limits.time_seconds)
    return beyond("time (in seconds)", request.time_seconds, limits.time_seconds);
  if (limits.nodes > 0 && request.nodes > limits.nodes)
    return beyond("nodes", request.nodes, limits.nodes);
  if (limits.jobs > 0 && request.count > limits.jobs)
    return beyond("jobs", request.count, limits.jobs);
  return Ok();
}

Result<CommandResult> SlurmBatchSystem::Sbatch(const JobRequest& request, int first, int count,
                                               bool test_only) const {
  BatchJob job = MakeBatchJob(request, profile_, first, count);
  std::vector<std::string> arguments{"sbatch"};
  if (test_only) arguments.emplace_back("--test-only");
  arguments.insert(arguments.end(), job.arguments.begin(), job.arguments.end());
  return RunCommand({std::move(arguments), options_.environment, std::move(job.script),
                     options_.submit_deadline});
}

Result<Fitting> SlurmBatchSystem::FitAtSite(const JobRequest& request) const {
  MUSTER_ASSIGN_OR_RETURN(const std::string partitions,
                          Answer({"scontrol", "--all", "--oneliner", "show", "partition"}));
  MUSTER_ASSIGN_OR_RETURN(const std::string nodes, Answer(NodeArguments()));
  return FitOf(request, profile_, ReadPartitions(partitions), ReadNodes(nodes));
}

bool SlurmBatchSystem::IsTooMuch(int more) const {
  // The records of everybody would be a large answer.
  std::array<char, 4096> buffer;
  passwd record{};
  passwd* user = nullptr;
  if (::getpwuid_r(::geteuid(), &record, buffer.data(), buffer.size(), &user) != 0 || !user)
    return false;
  const auto text = Answer(
      {"scontrol", "show", "assoc_mgr", "flags=assoc,qos", "users=" + std::string(user->pw_name)});
  return text.ok() && IsQueueFull(*text, more);
}

Error SlurmBatchSystem::Refusal(const JobRequest& request, int first, int count,
                                const CommandResult& refused) const {
  const std::string words = "Slurm: " + WordsOf(refused);
  const auto fitting = FitAtSite(request);
  if (!fitting.ok()) return Unavailable(words);
  if (fitting->fit == Fit::kNotNow) return ResourceExhausted(words + " (" + fitting->why + ")");
  // A controller that died over it and is back looks the same, and may have taken it. A refusal is repeated, between
  // two answers of a controller that lives.
  const auto again = Sbatch(request, first, count, true);
  if (!again.ok() || again->exit_code == 0 || !Queue().ok()) return Unavailable(words);
  if (fitting->fit == Fit::kYes && IsTooMuch(count)) return ResourceExhausted(words);
  return Invalid(words + (fitting->why.empty() ? "" : " (" + fitting->why + ")"));
}

Status SlurmBatchSystem::Check(const JobRequest& request) {
  MUSTER_RETURN_IF_ERROR(CheckLimits(request));
  MUSTER_ASSIGN_OR_RETURN(const CommandResult tested, Sbatch(request, request.first_task, 1, true));
  if (tested.exit_code != 0) return Refusal(request, request.first_task, 1, tested);
  // A partition's limits refuse nothing on most sites (EnforcePartLimits=NO): such jobs wait for ever.
  MUSTER_ASSIGN_OR_RETURN(const Fitting fitting, FitAtSite(request));
  if (fitting.fit == Fit::kNever)
    return Invalid("Slurm would have it wait for ever: " + fitting.why);
  return Ok();
}

Result<std::string> SlurmBatchSystem::SubmitPart(const JobRequest& request, int first, int count) {
  MUSTER_ASSIGN_OR_RETURN(const CommandResult sent, Sbatch(request, first, count, false));
  if (sent.exit_code != 0) return Refusal(request, first, count, sent);
  // "123", or "123;cluster".
  const std::string_view id = Trimmed(Split(sent.out, ';')[0]);
  if (!NumberOf<std::int64_t>(id)) {
    return Unavailable("sbatch answered '" + sent.out.substr(0, 80) +
                       "' where the number of a job was wanted");
  }
  return std::string(id);
}

Result<std::string> SlurmBatchSystem::Submit(const JobRequest& request) {
  MUSTER_RETURN_IF_ERROR(CheckLimits(request));
  MUSTER_ASSIGN_OR_RETURN(const SiteConfig config, Config());
  if (const int most = profile_.limits.jobs; most > 0) {
    MUSTER_ASSIGN_OR_RETURN(const auto rows, Queue());
    const auto live = std::ranges::count_if(rows, [](const QueueRow& row) {
      return !row.job.key.empty() && row.job.state != JobState::kEnded;
    });
    if (live + request.count > most) {
      return ResourceExhausted("the Slurm profile's limits.jobs is " + std::to_string(most) +
                               ", and " + std::to_string(live) + " jobs have not ended");
    }
  }
  const int array_most = profile_.limits.array > 0
                             ? std::min(profile_.limits.array, config.array_most)
                             : config.array_most;
  std::string first_id;
  for (int done = 0; done < request.count;) {
    const int count = std::min(array_most, request.count - done);
    auto id = SubmitPart(request, request.first_task + done, count);
    if (!id.ok()) {
      return done == 0 ? id.error()
                       : id.error().With("after " + std::to_string(done) + " of " +
                                         std::to_string(request.count) + " jobs were taken");
    }
    if (first_id.empty()) first_id = std::move(id).value();
    done += count;
  }
  return first_id;
}

Result<std::vector<Job>> SlurmBatchSystem::Find(const std::string& prefix) {
  MUSTER_ASSIGN_OR_RETURN(auto rows, Queue());
  std::vector<Job> found;
  for (QueueRow& row : rows) {
    if (!row.job.key.empty() && row.job.key.starts_with(prefix))
      found.push_back(std::move(row.job));
  }
  return found;
}

Status SlurmBatchSystem::Cancel(const std::vector<JobRef>& jobs) {
  MUSTER_ASSIGN_OR_RETURN(auto rows, Queue());
  std::vector<std::string> ids;
  for (const QueueRow& row : rows) {
    if (IsOver(row)) continue;
    for (const JobRef& ref : jobs) {
      // The whole of an array goes in one message.
      if (IsMeant(row, ref) && !std::ranges::count(ids, ref.id)) ids.push_back(ref.id);
    }
  }
  std::string words;
  for (std::size_t at = 0; at < ids.size(); at += kIdsMost) {
    std::vector<std::string> arguments{"scancel"};
    const auto end = std::min(ids.size(), at + kIdsMost);
    arguments.insert(arguments.end(), ids.begin() + static_cast<std::ptrdiff_t>(at),
                     ids.begin() + static_cast<std::ptrdiff_t>(end));
    MUSTER_ASSIGN_OR_RETURN(const CommandResult result, Ask(std::move(arguments)));
    if (result.exit_code != 0) words = WordsOf(result);
  }
  if (words.empty()) return Ok();
  // One that ended meanwhile is refused as well.
  MUSTER_ASSIGN_OR_RETURN(rows, Queue());
  const bool all_over = std::ranges::all_of(rows, [&](const QueueRow& row) {
    return IsOver(row) ||
           std::ranges::none_of(jobs, [&](const JobRef& ref) { return IsMeant(row, ref); });
  });
  return all_over ? Ok() : Status(Unavailable("scancel: " + words));
}

Result<bool> SlurmBatchSystem::Counts() {
  MUSTER_ASSIGN_OR_RETURN(const SiteConfig config, Config());
  return config.accounts;
}

Result<std::vector<JobUsage>> SlurmBatchSystem::Usage(const std::vector<JobRef>& jobs) {
  MUSTER_ASSIGN_OR_RETURN(const bool counts, Counts());
  std::vector<JobUsage> all(jobs.size());
  for (std::size_t at = 0; counts && at < jobs.size(); at += kIdsMost) {
    const std::span part = std::span(jobs).subspan(at, std::min(kIdsMost, jobs.size() - at));
    MUSTER_ASSIGN_OR_RETURN(const std::string text, Answer(UsageArguments(part)));
    ReadUsage(text, part, std::span(all).subspan(at, part.size()));
  }
  return all;
}

}  // namespace muster::cluster::slurm
