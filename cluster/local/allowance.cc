#include "cluster/local/allowance.h"

#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <functional>
#include <sstream>
#include <thread>

#include "cluster/local/cgroups.h"
#include "runtime/base/file.h"

namespace muster::cluster::local {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kMebibyte = 1 << 20;

std::optional<std::int64_t> NumberOf(const std::string& text) {
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end == text.data() || number < 0) return std::nullopt;
  return number;
}

/// The least limit, above 0, of a group and those above it, of which a container sees the lower ones alone. `read`
/// answers a folder's.
double LeastUpward(const fs::path& mount, const std::string& group,
                   const std::function<double(const fs::path& folder)>& read) {
  double least = 0;
  std::error_code ignored;
  if (group.empty() || !fs::exists(mount, ignored)) return least;
  for (fs::path part = fs::path(group).relative_path();; part = part.parent_path()) {
    const double limit = read(mount / part);
    if (limit > 0 && (least == 0 || limit < least)) least = limit;
    if (part.empty()) return least;
  }
}

/// The first numbers of a file; 0 for what is not there or no number ("max").
std::pair<double, double> Numbers(const fs::path& file) {
  const auto text = ReadWholeFile(file);
  std::istringstream words(text.ok() ? *text : "");
  std::pair<double, double> numbers{0, 0};
  words >> numbers.first >> numbers.second;
  return numbers;
}

double LeastOf(double one, double other) {
  return one > 0 && other > 0 ? std::min(one, other) : std::max(one, other);
}

void ReadGroups(const fs::path& root, std::string_view self, AllowanceFacts& facts) {
  const auto least = [&](const char* controller, const fs::path& mount, const auto& read) {
    return LeastUpward(mount, OwnGroup(self, controller), read);
  };
  const auto quota = [](double time, double period) {
    return time > 0 && period > 0 ? time / period : 0;
  };
  const double one = least("cpu", root / "cpu", [&](const fs::path& folder) {
    return quota(Numbers(folder / "cpu.cfs_quota_us").first,
                 Numbers(folder / "cpu.cfs_period_us").first);
  });
  const double two = least("", root, [&](const fs::path& folder) {
    const auto [time, period] = Numbers(folder / "cpu.max");
    return quota(time, period);
  });
  facts.quota_cpus = LeastOf(one, two);
  const double memory_one = least("memory", root / "memory", [](const fs::path& folder) {
    return Numbers(folder / "memory.limit_in_bytes").first;
  });
  const double memory_two =
      least("", root, [](const fs::path& folder) { return Numbers(folder / "memory.max").first; });
  const double memory = LeastOf(memory_one, memory_two);
  // Version 1 says "none" as a number near 2^63.
  if (memory < 0x1p62) facts.group_memory = static_cast<std::int64_t>(memory);
}

void ReadSlurm(const ReadVariable& environment, AllowanceFacts& facts) {
  if (environment("SLURM_JOB_ID").empty()) return;
  facts.slurm_cpus = NumberOf(environment("SLURM_CPUS_ON_NODE"));
  if (const auto node = NumberOf(environment("SLURM_MEM_PER_NODE"))) {
    facts.slurm_memory = *node * kMebibyte;
  } else if (const auto cpu = NumberOf(environment("SLURM_MEM_PER_CPU")); cpu && facts.slurm_cpus) {
    facts.slurm_memory = *cpu * *facts.slurm_cpus * kMebibyte;
  }
}

}  // namespace

Allowance AllowanceOf(const AllowanceFacts& facts) {
  Allowance may{.cpus = facts.online_cpus, .memory_bytes = facts.machine_memory};
  if (facts.affinity_cpus > 0) may.cpus = std::min(may.cpus, facts.affinity_cpus);
  if (facts.quota_cpus > 0)
    may.cpus = static_cast<int>(std::min<double>(may.cpus, facts.quota_cpus));
  // A site that gives out more CPUs than the machine has (config_overrides) means it.
  if (const auto slurm = facts.slurm_cpus.value_or(0); slurm > facts.online_cpus) {
    may.cpus = static_cast<int>(slurm);
  } else if (slurm > 0) {
    may.cpus = std::min(may.cpus, static_cast<int>(slurm));
  }
  may.cpus = std::max(1, may.cpus);
  for (const std::int64_t limit : {facts.group_memory, facts.slurm_memory.value_or(0)}) {
    if (limit > 0 && (may.memory_bytes == 0 || limit < may.memory_bytes)) may.memory_bytes = limit;
  }
  return may;
}

AllowanceFacts ReadAllowance(const ReadVariable& environment, const fs::path& cgroup_root,
                             std::string_view self) {
  AllowanceFacts facts;
  facts.online_cpus = std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  cpu_set_t usable;
  if (sched_getaffinity(0, sizeof usable, &usable) == 0) facts.affinity_cpus = CPU_COUNT(&usable);
  facts.machine_memory = std::int64_t{sysconf(_SC_PHYS_PAGES)} * sysconf(_SC_PAGESIZE);
  ReadGroups(cgroup_root, self, facts);
  ReadSlurm(environment, facts);
  return facts;
}

}  // namespace muster::cluster::local
