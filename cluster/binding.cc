#include "cluster/binding.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <string>

namespace muster::cluster {
namespace {

constexpr int kMostCpus = 1'024;  // of a cpu_set_t

/// What one slot stands for.
struct Unit {
  int numa = 0;
  std::size_t core = 0;
  std::vector<int> cpus;
};

std::vector<Unit> UnitsOf(const Topology& topology, bool whole_cores) {
  std::vector<Unit> units;
  units.reserve(topology.cores.size());
  for (std::size_t i = 0; i < topology.cores.size(); ++i) {
    const Core& core = topology.cores[i];
    if (whole_cores) units.push_back({core.numa, i, core.cpus});
    for (const int cpu : core.cpus) {
      if (!whole_cores) units.push_back({core.numa, i, {cpu}});
    }
  }
  return units;
}

class Choice {
 public:
  Choice(const Topology& topology, const BindRequest& request, bool whole_cores)
      : topology_(topology), request_(request) {
    std::map<std::size_t, bool> touched;  // cores of which somebody holds a thread
    for (std::size_t i = 0; i < topology.cores.size(); ++i) {
      touched[i] = std::ranges::any_of(topology.cores[i].cpus,
                                       [&](int cpu) { return request.held.contains(cpu); });
    }
    for (Unit& unit : UnitsOf(topology, whole_cores)) {
      const bool free =
          std::ranges::none_of(unit.cpus, [&](int cpu) { return request.held.contains(cpu); });
      if (free) free_.push_back(std::move(unit));
    }
    // One thread alone goes to a core that is in use already, and leaves whole ones to others.
    const bool odd = !whole_cores && request.cpus_per_rank == 1 && request.near.size() == 1;
    std::ranges::stable_sort(free_, {},
                             [&](const Unit& unit) { return touched[unit.core] != odd; });
  }

  std::vector<RankCpus> All() {
    const auto ranks = static_cast<int>(request_.near.size());
    if (static_cast<int>(free_.size()) < ranks * request_.cpus_per_rank) return {};
    const std::optional<int> together = NodeFor(ranks * request_.cpus_per_rank, SharedNear());
    std::vector<RankCpus> chosen;
    chosen.reserve(request_.near.size());
    for (const int near : request_.near) {
      chosen.push_back(Take(together ? together : NodeFor(request_.cpus_per_rank, near)));
    }
    return chosen;
  }

 private:
  /// The NUMA node that all GPUs of the gang are near to; -1: none, -2: several.
  [[nodiscard]] int SharedNear() const {
    const std::set<int> nodes(request_.near.begin(), request_.near.end());
    return nodes.size() == 1 ? *nodes.begin() : -2;
  }

  /// The one that is wanted if it holds so many, else the fullest that does; ranks near to several are not put together.
  [[nodiscard]] std::optional<int> NodeFor(int units, int near) const {
    if (near == -2) return std::nullopt;
    std::map<int, int> left;
    for (const Unit& unit : free_) ++left[unit.numa];
    if (left.contains(near) && left.at(near) >= units) return near;
    std::optional<int> best;
    for (const auto& [numa, count] : left) {
      if (count >= units && (!best || count < left.at(*best))) best = numa;
    }
    return best;
  }

  RankCpus Take(std::optional<int> numa) {
    RankCpus rank;
    std::set<int> nodes;
    for (int taken = 0; taken < request_.cpus_per_rank; ++taken) {
      auto unit =
          std::ranges::find_if(free_, [&](const Unit& one) { return !numa || one.numa == *numa; });
      if (unit == free_.end()) unit = free_.begin();
      rank.held.insert(unit->cpus.begin(), unit->cpus.end());
      nodes.insert(unit->numa);
      free_.erase(unit);
    }
    rank.cpus = rank.held;
    for (const Core& core : topology_.cores) {
      if (request_.how != Bind::kCore && nodes.contains(core.numa))
        rank.cpus.insert(core.cpus.begin(), core.cpus.end());
    }
    return rank;
  }

  const Topology& topology_;
  const BindRequest& request_;
  std::vector<Unit> free_;
};

}  // namespace

Result<Bind> BindFromText(std::string_view text) {
  if (text.empty() || text == "auto") return Bind::kAuto;
  if (text == "none") return Bind::kNone;
  if (text == "numa") return Bind::kNuma;
  if (text == "core") return Bind::kCore;
  return Invalid("wanted one of auto, none, numa, core, got '" + std::string(text) + "'");
}

std::vector<RankCpus> ChooseCpus(const Topology& topology, const BindRequest& request) {
  std::size_t cpus = 0;
  std::set<int> nodes;
  for (const Core& core : topology.cores) {
    cpus += core.cpus.size();
    nodes.insert(core.numa);
  }
  const auto slots = static_cast<std::size_t>(request.slots);
  if (request.how == Bind::kNone || (request.how == Bind::kAuto && nodes.size() < 2)) return {};
  if (slots > cpus || request.near.empty()) return {};
  return Choice(topology, request, slots <= topology.cores.size()).All();
}

std::string CpuListText(const std::set<int>& cpus) {
  std::string text;
  for (auto first = cpus.begin(); first != cpus.end();) {
    auto last = first;
    auto next = std::next(first);
    while (next != cpus.end() && *next == *last + 1) last = next++;
    text += (text.empty() ? "" : ",") + std::to_string(*first);
    if (last != first) text += "-" + std::to_string(*last);
    first = next;
  }
  return text;
}

std::set<int> CpuListFromText(std::string_view text) {
  std::set<int> cpus;
  const char* const end = text.data() + text.size();
  for (const char* at = text.data(); at != end;) {
    int first = 0;
    auto read = std::from_chars(at, end, first);
    int last = first;
    if (read.ec == std::errc() && read.ptr != end && *read.ptr == '-')
      read = std::from_chars(read.ptr + 1, end, last);
    const bool more = read.ptr != end && *read.ptr == ',';
    if (read.ec != std::errc() || first < 0 || last < first || last >= kMostCpus) return {};
    if (read.ptr != end && !more) return {};
    for (int cpu = first; cpu <= last; ++cpu) cpus.insert(cpu);
    at = read.ptr + (more ? 1 : 0);
    if (more && at == end) return {};
  }
  return cpus;
}

}  // namespace muster::cluster
