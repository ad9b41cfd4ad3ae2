#include <algorithm>

#include "cluster/local/gpus.h"
#include "cluster/local/processes_impl.h"
#include "cluster/local/spawn.h"
#include "cluster/local/topology.h"
#include "runtime/base/log.h"

namespace muster::cluster::local {
namespace {

Bind HowOf(const wire::Prepare& prepare) {
  const auto said = prepare.env.find("MUSTER_BIND");
  const auto how = BindFromText(said == prepare.env.end() ? "" : said->second);
  if (!how.ok()) LogWarning("agent", "MUSTER_BIND: " + how.error().message);
  return how.ok() ? *how : Bind::kAuto;
}

}  // namespace

/// For each rank here the NUMA node that its first GPU is near to, or -1.
std::vector<int> Processes::Impl::NumaOfGpus(const wire::Prepare& prepare) {
  std::vector<int> near(static_cast<std::size_t>(prepare.ranks), -1);
  if (prepare.devices.empty() || topology->gpus.empty()) return near;
  const Environment environment = CleanEnvironment();
  const auto visible = VisibleGpus(
      [&](const char* name) {
        const auto found = environment.find(name);
        return found == environment.end() ? "" : found->second;
      },
      options.gpu_library);
  const auto each = static_cast<std::size_t>(std::max(1, prepare.gpus_per_rank));
  for (std::size_t rank = 0; rank < near.size() && rank * each < prepare.devices.size(); ++rank) {
    const auto device = static_cast<std::size_t>(prepare.devices[rank * each].device);
    if (device >= visible.size()) continue;
    const auto found = topology->gpus.find(visible[device].pci);
    if (found != topology->gpus.end()) near[rank] = found->second;
  }
  return near;
}

/// Chooses the CPUs of the gang's ranks here and writes them down for the shim. Never a reason not to start.
void Processes::Impl::BindRanks(Attempt& attempt) {
  const wire::Prepare& prepare = attempt.prepare;
  const Bind how = HowOf(prepare);
  const bool several = !options.topology.empty() || HasSeveralNumaNodes();
  if (options.slots == 0 || how == Bind::kNone || (how == Bind::kAuto && !several)) return;
  if (!topology && !topology_failed) {
    auto read = ReadTopology(options.topology);
    topology_failed = !read.ok();
    if (!read.ok()) return LogWarning("agent", "ranks are not bound: " + read.error().message);
    topology = std::move(read).value();
  }
  if (!topology) return;
  BindRequest request{.how = how,
                      .slots = options.slots,
                      .cpus_per_rank = prepare.cpus_per_rank,
                      .near = NumaOfGpus(prepare),
                      .held = {}};
  for (const auto& [epoch, other] : attempts) {
    if (other.empty_told) continue;
    for (const RankCpus& rank : other.binding)
      request.held.insert(rank.held.begin(), rank.held.end());
  }
  attempt.binding = ChooseCpus(*topology, request);
  if (attempt.binding.empty()) {
    if (how != Bind::kAuto) {
      LogWarning(
          "agent",
          "attempt " + std::to_string(prepare.epoch.value) +
              " is not bound: the node gives out more slots than it has CPUs, or too few are free");
    }
    return;
  }
  const Status written = attempt.folder.WriteBinding(attempt.binding);
  if (!written.ok()) LogWarning("agent", "ranks are not bound: " + written.error().message);
  if (!written.ok()) attempt.binding.clear();
}

}  // namespace muster::cluster::local
