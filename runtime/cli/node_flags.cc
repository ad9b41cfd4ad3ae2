#include "runtime/cli/node_flags.h"

#include <charconv>

#include "cluster/local/allowance.h"
#include "cluster/local/gpus.h"
#include "runtime/base/file.h"
#include "runtime/cli/context.h"
#include "runtime/config/sweep_file.h"

namespace muster::cli {
namespace {

constexpr std::size_t kMostGpus = 1'024;

Result<int> CountOf(const std::string& flag, const std::string& text, int found, int least) {
  if (text == "auto") return found;
  int count = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), count);
  if (read.ec == std::errc() && read.ptr == text.data() + text.size() && count >= least)
    return count;
  return Invalid(flag + " " + text + ": wanted auto, or a number from " + std::to_string(least));
}

/// "key=value" flags in a map, each key once.
Result<std::map<std::string, std::string>> PairsOf(const std::string& flag,
                                                   const std::vector<std::string>& texts) {
  std::map<std::string, std::string> pairs;
  for (const std::string& text : texts) {
    const auto equals = text.find('=');
    if (equals == 0 || equals == std::string::npos)
      return Invalid(flag + " " + text + ": wanted key=value");
    const bool fresh = pairs.emplace(text.substr(0, equals), text.substr(equals + 1)).second;
    if (!fresh) return Invalid(flag + " " + text + ": the key was given before");
  }
  return pairs;
}

Result<std::int64_t> AmountOf(const std::string& name, const std::string& text) {
  if (name == "memory") {
    auto bytes = config::ParseSize(text);
    if (!bytes.ok()) return bytes.error().With("--resource memory=" + text);
    return bytes;
  }
  std::int64_t amount = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), amount);
  if (read.ec == std::errc() && read.ptr == text.data() + text.size() && amount >= 0) return amount;
  return Invalid("--resource " + name + "=" + text + ": wanted a whole number from 0");
}

}  // namespace

void AddNodeFlags(CLI::App& command, const std::shared_ptr<NodeFlags>& flags) {
  command.add_option("--slots", flags->slots, "CPUs for trials: auto, or a number")
      ->capture_default_str();
  command.add_option("--gpus", flags->gpus, "GPUs for trials: auto, or a number")
      ->capture_default_str();
  command.add_option("--gpu-memory", flags->gpu_memory, "Memory of each GPU, such as 80GiB");
  command
      .add_option("--resource", flags->resources,
                  "What trials may ask for by name (resources.custom), and memory=SIZE; may be "
                  "repeated")
      ->type_name("NAME=AMOUNT");
  command
      .add_option("--label", flags->labels,
                  "What trials may ask for (trial.labels); may be repeated")
      ->type_name("KEY=VALUE");
}

Surroundings Surroundings::Own() {
  return {.environment = [](const char* name) { return EnvironmentVariable(name).value_or(""); }};
}

Result<server::Inventory> InventoryOf(const NodeFlags& flags, int least_slots,
                                      const Surroundings& around) {
  server::Inventory has;
  const auto self = ReadWholeFile("/proc/self/cgroup");
  const auto may = cluster::local::AllowanceOf(cluster::local::ReadAllowance(
      around.environment, around.cgroup_root, self.ok() ? *self : ""));
  MUSTER_ASSIGN_OR_RETURN(has.slots, CountOf("--slots", flags.slots, may.cpus, least_slots));
  // A driver that nobody uses takes its time to wake up.
  const auto found = flags.gpus == "0"
                         ? std::vector<cluster::local::Gpu>()
                         : cluster::local::VisibleGpus(around.environment, around.nvml);
  MUSTER_ASSIGN_OR_RETURN(has.gpus,
                          CountOf("--gpus", flags.gpus, static_cast<int>(found.size()), 0));
  const auto gpus = static_cast<std::size_t>(has.gpus);
  if (gpus > kMostGpus)
    return Invalid("--gpus " + flags.gpus + ": wanted at most " + std::to_string(kMostGpus));
  if (!flags.gpu_memory.empty()) {
    auto bytes = config::ParseSize(flags.gpu_memory);
    if (!bytes.ok()) return bytes.error().With("--gpu-memory");
    has.gpu_memory.assign(gpus, *bytes);
  } else if (gpus <= found.size()) {
    for (std::size_t index = 0; index < gpus; ++index)
      has.gpu_memory.push_back(found[index].memory_bytes);
  }
  has.resources["memory"] = may.memory_bytes;
  MUSTER_ASSIGN_OR_RETURN(const auto resources, PairsOf("--resource", flags.resources));
  for (const auto& [name, text] : resources) {
    MUSTER_ASSIGN_OR_RETURN(has.resources[name], AmountOf(name, text));
  }
  MUSTER_ASSIGN_OR_RETURN(has.labels, PairsOf("--label", flags.labels));
  return has;
}

}  // namespace muster::cli
