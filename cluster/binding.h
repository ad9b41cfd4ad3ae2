#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/result.h"

/// Which CPUs of a node the ranks of a gang run on.

namespace muster::cluster {

/// One core that trials may use, with its hardware threads.
struct Core {
  int numa = 0;           ///< its NUMA node, counted from 0
  std::vector<int> cpus;  ///< as the kernel numbers them; not empty
};

struct Topology {
  std::vector<Core> cores;          ///< neighbours stand beside each other
  std::map<std::string, int> gpus;  ///< PCI address -> the NUMA node that it is near to
};

/// MUSTER_BIND of a trial, which `trial.bind` of a sweep file sets.
enum class Bind {
  kAuto,  ///< kNuma where the node has several NUMA nodes, else kNone
  kNone,  ///< wherever the kernel likes
  kNuma,  ///< to the NUMA nodes of its cores, whose idle CPUs it may use as well
  kCore,  ///< to its cores, which no other bound rank gets
};

/// "auto", "none", "numa" or "core"; empty is auto. kInvalid for another.
Result<Bind> BindFromText(std::string_view text);

struct BindRequest {
  Bind how = Bind::kAuto;
  int slots = 1;          ///< that the node gives to trials
  int cpus_per_rank = 1;  ///< slots of a rank
  std::vector<int> near;  ///< for each rank here the NUMA node of its GPU; -1: none, or not known
  std::set<int> held;     ///< CPUs of the gangs that are bound already
};

struct RankCpus {
  std::set<int> held;  ///< its own: part of BindRequest::held for those who come later
  std::set<int> cpus;  ///< where it may run
  friend bool operator==(const RankCpus&, const RankCpus&) = default;
};

/// One entry a rank; none when nobody is bound: not wanted, more slots than CPUs, or too few CPUs are left.
///
/// A slot is a core where there are as many, else a hardware thread. A gang goes to the NUMA node of its GPUs, else to
/// the fullest that holds all of it; where none does, each rank for itself to the fullest that holds all of the rank; a
/// rank that no NUMA node holds takes what is left. Whole cores go before single threads. What gangs hold never
/// overlaps.
std::vector<RankCpus> ChooseCpus(const Topology& topology, const BindRequest& request);

/// "0-3,8", as cpuset(7) writes it, and back; what is no such list is empty.
std::string CpuListText(const std::set<int>& cpus);
std::set<int> CpuListFromText(std::string_view text);

}  // namespace muster::cluster
