#include "cluster/local/observe.h"

#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <string_view>

#include "runtime/base/file.h"

namespace muster::cluster::local {
namespace {

constexpr std::size_t kBeatBytesMost = 4096;
constexpr int kBeatReadsMost = 5;
constexpr int kDepthMost =
    64;  // guards against a loop that processes made by dying between two reads

/// The number after `name` at the begin of a line; 0 when there is none.
std::int64_t NumberAfter(std::string_view text, std::string_view name) {
  std::size_t at = 0;
  while (at < text.size() && !text.substr(at).starts_with(name)) {
    const std::size_t newline = text.find('\n', at);
    if (newline == std::string_view::npos) return 0;
    at = newline + 1;
  }
  if (at >= text.size()) return 0;
  std::string_view rest = text.substr(at + name.size());
  rest.remove_prefix(std::min(rest.find_first_not_of(" \t"), rest.size()));
  std::int64_t number = 0;
  std::from_chars(rest.data(), rest.data() + rest.size(), number);
  return number;
}

std::int64_t IoBytes(const ProcessStat& process) {
  const auto io = ReadProcFile(process.id.pid, "io");
  const std::int64_t paged_in = process.disk_faults * getpagesize();  // files that are mapped
  if (!io.ok()) return paged_in;
  return NumberAfter(*io, "rchar:") + NumberAfter(*io, "wchar:") + NumberAfter(*io, "read_bytes:") +
         NumberAfter(*io, "write_bytes:") + paged_in;
}

std::int64_t Switches(int pid) {
  const auto status = ReadProcFile(pid, "status");
  if (!status.ok()) return 0;
  return NumberAfter(*status, "voluntary_ctxt_switches:") +
         NumberAfter(*status, "nonvoluntary_ctxt_switches:");
}

/// schedstat: time on a CPU, time in the queue for one, in ns.
std::int64_t ReadyMs(int pid) {
  const auto text = ReadProcFile(pid, "schedstat");
  if (!text.ok()) return 0;
  const std::size_t space = text->find(' ');
  std::int64_t queued_ns = 0;
  if (space != std::string::npos)
    std::from_chars(text->data() + space + 1, text->data() + text->size(), queued_ns);
  return queued_ns / 1'000'000;
}

/// Memory with shared pages shared out; `rss_bytes` where the kernel does not tell.
std::int64_t SharedOutBytes(const std::vector<ProcessStat>& processes, std::int64_t rss_bytes) {
  std::int64_t bytes = 0;
  for (const ProcessStat& process : processes) {
    const auto maps = ReadProcFile(process.id.pid, "smaps_rollup");
    if (!maps.ok()) return rss_bytes;
    bytes += NumberAfter(*maps, "Pss:") * 1024;
  }
  return bytes;
}

/// It is written over while it is read: what two reads agree on is whole.
std::optional<agent::Beat> ReadBeat(const std::filesystem::path& file) {
  auto before = ReadWholeFile(file, kBeatBytesMost);
  for (int again = 0; before.ok() && again < kBeatReadsMost; ++again) {
    auto after = ReadWholeFile(file, kBeatBytesMost);
    if (after.ok() && *after == *before) return agent::ParseBeat(*after);
    before = std::move(after);
  }
  return std::nullopt;
}

}  // namespace

std::map<int, std::vector<ProcessStat>> ProcessesOfRanks(const AttemptProcesses& all,
                                                         const ShimState& state) {
  std::map<int, int> rank_of;  // by pid of the rank's own process
  for (const RankProcess& rank : state.ranks) {
    const bool ended =
        std::ranges::any_of(state.ends, [&](const RankEnd& end) { return end.rank == rank.rank; });
    if (!ended) rank_of[rank.process.pid] = rank.rank;
  }
  std::map<int, int> parent_of;
  for (const ProcessStat& stat : all.stats) parent_of[stat.id.pid] = stat.parent;
  std::map<int, std::vector<ProcessStat>> ranks;
  for (const ProcessStat& stat : all.stats) {
    int pid = stat.id.pid;
    for (int depth = 0; depth < kDepthMost && !rank_of.contains(pid); ++depth) {
      const auto parent = parent_of.find(pid);
      if (parent == parent_of.end()) break;
      pid = parent->second;
    }
    const auto rank = rank_of.find(pid);
    if (rank == rank_of.end()) continue;
    auto& processes = ranks[rank->second];
    processes.insert(pid == stat.id.pid ? processes.begin() : processes.end(), stat);
  }
  // Who waits for its checkpoint to be brought to the server does what that does.
  const auto pusher = std::ranges::find_if(
      all.stats, [&](const ProcessStat& stat) { return stat.id == state.pusher; });
  if (pusher != all.stats.end() && !ranks.empty()) ranks.begin()->second.push_back(*pusher);
  return ranks;
}

std::vector<agent::RankSample> SampleRanks(const AttemptProcesses& all, const ShimState& state,
                                           const AttemptFolder& folder, std::int64_t memory_bytes,
                                           const GpuActivity* gpus) {
  const std::int64_t ticks_a_second = sysconf(_SC_CLK_TCK);
  std::vector<agent::RankSample> samples;
  const auto ranks = ProcessesOfRanks(all, state);
  samples.reserve(ranks.size());
  // One right after the other: who is behind whom is of interest.
  for (const auto& [rank, processes] : ranks)
    samples.push_back({.rank = rank, .beat = ReadBeat(folder.beat(rank))});
  for (auto& sample : samples) {
    const auto& processes = ranks.at(sample.rank);
    for (const ProcessStat& process : processes) {
      sample.cpu_ms += process.cpu_ticks * 1000 / ticks_a_second;
      sample.ready_ms += ReadyMs(process.id.pid);
      sample.io_bytes += IoBytes(process);
      sample.switches += Switches(process.id.pid);
      sample.faults += process.faults;
      if (gpus != nullptr) sample.gpu_ms += gpus->BusyMs(process.id.pid);
      sample.rss_bytes += process.rss_pages * getpagesize();
      sample.stopped = sample.stopped || process.state == 'T' || process.state == 't';
    }
    if (memory_bytes > 0 && sample.rss_bytes > memory_bytes)
      sample.rss_bytes = SharedOutBytes(processes, sample.rss_bytes);
  }
  return samples;
}

}  // namespace muster::cluster::local
