#include "cluster/slurm/site.h"

#include <algorithm>
#include <array>
#include <cctype>

#include "cluster/slurm/text.h"

namespace muster::cluster::slurm {
namespace {

constexpr char kSeparator = '\x1f';

/// The value of "Key=value" among words; empty where there is none.
std::string_view ValueOf(const std::vector<std::string_view>& words, std::string_view key) {
  for (const std::string_view word : words) {
    if (word.size() > key.size() && word.starts_with(key) && word[key.size()] == '=')
      return word.substr(key.size() + 1);
  }
  return {};
}

/// "[D-]HH:MM:SS" in minutes; nullopt for UNLIMITED.
std::optional<std::int64_t> MinutesOf(std::string_view text) {
  const std::size_t dash = text.find('-');
  std::int64_t days = 0;
  if (dash != std::string_view::npos) {
    days = NumberOf<std::int64_t>(text.substr(0, dash)).value_or(0);
    text.remove_prefix(dash + 1);
  }
  const auto parts = Split(text, ':');
  if (parts.size() != 3) return std::nullopt;
  const auto hours = NumberOf<std::int64_t>(parts[0]);
  const auto minutes = NumberOf<std::int64_t>(parts[1]);
  if (!hours || !minutes) return std::nullopt;
  return (days * 24 + *hours) * 60 + *minutes;
}

/// "a,b" as a list; ALL and NONE, which bind nobody, as an empty one.
std::vector<std::string> NamesIn(std::string_view text) {
  std::vector<std::string> names;
  if (text.empty() || text == "ALL" || text == "NONE" || text == "(null)") return names;
  for (const std::string_view name : Split(text, ',')) names.emplace_back(name);
  return names;
}

/// "gpu:a100:4(S:0-1),gpu:2,nvme:1": what stands in brackets says where they are.
std::vector<std::pair<std::string, int>> GpusIn(std::string_view text) {
  std::string plain;
  int depth = 0;
  for (const char c : text) {
    if (c == '(') ++depth;
    if (depth == 0) plain += c;
    if (c == ')') --depth;
  }
  std::vector<std::pair<std::string, int>> gpus;
  for (const std::string_view item : Split(plain, ',')) {
    const auto parts = Split(item, ':');
    if (parts[0] != "gpu" || parts.size() < 2) continue;
    gpus.emplace_back(parts.size() > 2 ? parts[1] : "", NumberOf<int>(parts.back()).value_or(0));
  }
  return gpus;
}

/// A state has flags behind it: '*' for a node that does not answer, '~' for one that is switched off until it is needed.
bool IsUsable(std::string_view state) {
  constexpr std::array<std::string_view, 9> kUsable{"idle",          "mixed",       "allocated",
                                                    "completing",    "planned",     "powered_down",
                                                    "powering_down", "powering_up", "blocked"};
  if (state.ends_with('*')) return false;
  const auto end = std::ranges::find_if(state, [](char c) { return c != '_' && !std::isalpha(c); });
  const std::string_view name = state.substr(0, end - state.begin());
  return std::ranges::count(kUsable, name) != 0;
}

bool Has(const Node& node, const JobRequest& request, const SlurmProfile& profile) {
  int gpus = 0;
  for (const auto& [type, count] : node.gpus) {
    if (profile.gpu_type.empty() || type == profile.gpu_type) gpus += count;
  }
  return node.cpus >= request.cpus_per_node && gpus >= request.gpus_per_node &&
         node.memory_mib >= request.memory_bytes_per_node >> 20;
}

bool IsAllowed(const std::string& name, const std::vector<std::string>& allowed,
               const std::vector<std::string>& denied) {
  const auto is_name = [&](const std::string& other) {
    return std::ranges::equal(
        name, other, {}, [](char c) { return std::tolower(c); },
        [](char c) { return std::tolower(c); });
  };
  // Who names none has one that is not known here.
  return name.empty() || ((allowed.empty() || std::ranges::any_of(allowed, is_name)) &&
                          std::ranges::none_of(denied, is_name));
}

Fitting FitIn(const Partition& partition, const JobRequest& request, const SlurmProfile& profile,
              const std::vector<Node>& nodes) {
  const std::string in = "partition " + partition.name;
  const std::int64_t minutes = (request.time_seconds + 59) / 60;
  if (partition.minutes_most && minutes > *partition.minutes_most) {
    return {Fit::kNever, in + " lends nodes for at most " +
                             std::to_string(*partition.minutes_most) + " minutes, and " +
                             std::to_string(minutes) + " are wanted"};
  }
  if (partition.nodes_most && request.nodes > *partition.nodes_most) {
    return {Fit::kNever, in + " lends at most " + std::to_string(*partition.nodes_most) +
                             " nodes to a job, and " + std::to_string(request.nodes) +
                             " are wanted"};
  }
  if (!IsAllowed(profile.account, partition.accounts, partition.not_accounts))
    return {Fit::kNever, in + " is not for account " + profile.account};
  if (!IsAllowed(profile.qos, partition.qos, partition.not_qos))
    return {Fit::kNever, in + " is not for QOS " + profile.qos};
  int there = 0;
  int usable = 0;
  for (const Node& node : nodes) {
    if (node.partition != partition.name || !Has(node, request, profile)) continue;
    ++there;
    if (node.usable) ++usable;
  }
  const std::string of = " of the " + std::to_string(request.nodes) + " nodes of this size";
  if (there < request.nodes) return {Fit::kNever, in + " has " + std::to_string(there) + of};
  if (!partition.is_up) return {Fit::kNotNow, in + " is not up"};
  // Which of the nodes have a feature is not known here.
  const bool any_may_be_meant = !profile.constraint.empty() || !profile.reservation.empty();
  if (usable < (any_may_be_meant ? there : request.nodes))
    return {Fit::kNotNow, in + " has " + std::to_string(usable) + of + " in use"};
  return {};
}

}  // namespace

SiteConfig ReadSiteConfig(std::string_view text) {
  SiteConfig config;
  std::optional<int> tasks_most;
  for (const std::string_view line : Split(text, '\n')) {
    const std::size_t equals = line.find('=');
    if (equals == std::string_view::npos) continue;
    const std::string_view key = Trimmed(line.substr(0, equals));
    const std::string_view value = Trimmed(line.substr(equals + 1));
    if (key == "SLURM_VERSION") config.version = value;
    // Indices end one below it, so it is the number of jobs as well; 0 forbids arrays.
    if (key == "MaxArraySize") config.array_most = std::max(1, NumberOf<int>(value).value_or(1));
    if (key == "AccountingStorageType") config.accounts = value == "accounting_storage/slurmdbd";
    if (key == "SchedulerParameters")
      tasks_most = NumberOf<int>(ValueOf(Split(value, ','), "max_array_tasks"));
  }
  if (tasks_most) config.array_most = std::clamp(*tasks_most, 1, config.array_most);
  return config;
}

bool IsQueueFull(std::string_view text, int more) {
  for (const std::string_view line : Split(text, '\n')) {
    for (const std::string_view word : Split(line, ' ')) {
      const std::size_t equals = word.find('=');
      const std::size_t bracket = word.find('(');
      if (bracket == std::string_view::npos || equals > bracket || !word.ends_with(')')) continue;
      if (word.substr(0, equals).find("Submit") == std::string_view::npos) continue;
      const auto most = NumberOf<int>(word.substr(equals + 1, bracket - equals - 1));
      const auto used = NumberOf<int>(word.substr(bracket + 1, word.size() - bracket - 2));
      if (most && used && more <= *most && *used + more > *most) return true;
    }
  }
  return false;
}

std::vector<Partition> ReadPartitions(std::string_view text) {
  std::vector<Partition> partitions;
  for (const std::string_view line : Split(text, '\n')) {
    const auto words = Split(line, ' ');
    Partition partition;
    partition.name = ValueOf(words, "PartitionName");
    if (partition.name.empty()) continue;
    partition.is_default = ValueOf(words, "Default") == "YES";
    partition.is_up = ValueOf(words, "State") == "UP";
    partition.minutes_most = MinutesOf(ValueOf(words, "MaxTime"));
    partition.nodes_most = NumberOf<int>(ValueOf(words, "MaxNodes"));
    partition.accounts = NamesIn(ValueOf(words, "AllowAccounts"));
    partition.not_accounts = NamesIn(ValueOf(words, "DenyAccounts"));
    partition.qos = NamesIn(ValueOf(words, "AllowQos"));
    partition.not_qos = NamesIn(ValueOf(words, "DenyQos"));
    partitions.push_back(std::move(partition));
  }
  return partitions;
}

std::vector<std::string> NodeArguments() {
  std::string format;
  for (const char* field : {"Partition:128", "CPUs:12", "Memory:20", "Gres:512", "StateLong:40"})
    format += (format.empty() ? "" : ",") + std::string(field) + kSeparator;
  return {"sinfo", "--noheader", "--all", "--Node", "--Format=" + format};
}

std::vector<Node> ReadNodes(std::string_view text) {
  std::vector<Node> nodes;
  for (const std::string_view line : Split(text, '\n')) {
    auto fields = Split(line, kSeparator);
    if (fields.size() != 6) continue;
    std::ranges::transform(fields, fields.begin(), Trimmed);
    Node node;
    node.partition = fields[0].substr(0, fields[0].find('*'));  // the default one has a star
    node.cpus = NumberOf<int>(fields[1]).value_or(0);
    node.memory_mib = NumberOf<std::int64_t>(fields[2]).value_or(0);
    node.gpus = GpusIn(fields[3]);
    node.usable = IsUsable(fields[4]);
    nodes.push_back(std::move(node));
  }
  return nodes;
}

Fitting FitOf(const JobRequest& request, const SlurmProfile& profile,
              const std::vector<Partition>& partitions, const std::vector<Node>& nodes) {
  Fitting best{Fit::kNever, profile.partition.empty()
                                ? "the site has no default partition, and the profile names none"
                                : "the site has no partition " + profile.partition};
  const auto named = Split(profile.partition, ',');
  bool first = true;
  for (const Partition& partition : partitions) {
    if (profile.partition.empty() ? !partition.is_default
                                  : std::ranges::count(named, partition.name) == 0)
      continue;
    Fitting fitting = FitIn(partition, request, profile, nodes);
    if (first || fitting.fit > best.fit) best = std::move(fitting);
    first = false;
  }
  return best;
}

}  // namespace muster::cluster::slurm
