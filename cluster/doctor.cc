#include "cluster/doctor.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <map>
#include <set>

namespace muster::cluster {
namespace {

constexpr double kClockMs = 1'000;          // beyond that, times of files and logs mislead
constexpr std::int64_t kOpenFiles = 4'096;  // ranks of a large gang connect to all others
constexpr std::int64_t kGiB = std::int64_t{1} << 30;
constexpr std::int64_t kSharedMemory =
    256 << 20;  // below it (a container's 64 MiB) gangs on one node fail
constexpr double kVisibleMs = 1'000;
constexpr double kSlowShare = 0.2;  // of the middle one of all pairs

std::string Number(double number, const char* format = "%.3g") {
  char text[32];
  std::snprintf(text, sizeof text, format, number);
  return text;
}

std::string Size(std::int64_t bytes) {
  if (bytes < 0) return "no limit";
  if (bytes >= kGiB) return Number(static_cast<double>(bytes) / kGiB) + " GiB";
  return Number(static_cast<double>(bytes) / (1 << 20)) + " MiB";
}

std::string Time(double ms) {
  const double size = std::abs(ms);
  if (size >= 0.99 * 3'600'000) return Number(size / 3'600'000) + " h";
  if (size >= 60'000) return Number(size / 60'000) + " min";
  return size >= 1'000 ? Number(size / 1'000) + " s"
                       : Number(size, size < 1 ? "%.1g" : "%.0f") + " ms";
}

std::string Ahead(double ms) { return Time(ms) + (ms < 0 ? " behind" : " ahead of"); }

constexpr const char* kClockCure =
    "let the machine follow a time server (apt-get install chrony, or timedatectl set-ntp true) "
    "and look again";

class Judging {
 public:
  explicit Judging(const ClusterFacts& facts) : facts_(facts) {}

  std::vector<Finding> All() {
    for (const NodeSeen& node : facts_.nodes) OfNode(node);
    for (const PairFacts& pair : facts_.pairs) OfPair(pair);
    Differences();
    return std::move(findings_);
  }

 private:
  void Good(const std::string& where, const std::string& check, const std::string& seen) {
    findings_.push_back({where, check, Verdict::kGood, seen, ""});
  }
  void Bad(const std::string& where, const std::string& check, const std::string& seen,
           const std::string& cure, Verdict verdict = Verdict::kWrong) {
    findings_.push_back({where, check, verdict, seen, cure});
  }

  void OfNode(const NodeSeen& node) {
    if (!node.facts) return NotSeen(node);
    Clock(node);
    Limits(*node.facts);
    Space(*node.facts);
    Folder(node);
    Mpi(*node.facts);
  }

  void NotSeen(const NodeSeen& node) {
    if (node.state == "up") {
      return Bad(
          node.node, "probe", node.reason,
          "muster node ls shows what holds its slots; the agent's log on the node says the rest");
    }
    const std::string seen = "is " + node.state + (node.reason.empty() ? "" : ": " + node.reason);
    if (node.state == "lost" || node.state == "torpid") {
      return Bad(node.node, "node", seen,
                 "start its agent again (muster agent join; systemctl status muster-agent), or "
                 "muster node revoke it");
    }
    Bad(node.node, "node", seen + "; not looked at",
        "muster node uncordon " + node.node + " to have it looked at", Verdict::kNote);
  }

  /// By the server's clock the probe began after its attempt was made, and had looked before it ended.
  void Clock(const NodeSeen& node) {
    const auto most = static_cast<double>(node.facts->clock_ms - node.created_ms);
    const auto least = static_cast<double>(node.facts->clock_end_ms - node.ended_ms);
    if (least <= kClockMs && most >= -kClockMs)
      return Good(node.node, "clock",
                  "within " + Time(std::max({most - least, least, -most})) + " of the server's");
    Bad(node.node, "clock", Ahead((least + most) / 2) + " the server's", kClockCure);
  }

  void Limits(const NodeFacts& facts) {
    const std::string seen = "locked memory: " + Size(facts.locked_bytes) +
                             ", open files: " + std::to_string(facts.open_files);
    if (facts.open_files >= 0 && facts.open_files < kOpenFiles) {
      return Bad(facts.node, "limits", seen,
                 "LimitNOFILE=65536 in the agent's systemd unit (ulimit -n in its shell): ranks of "
                 "large gangs connect to "
                 "all others");
    }
    if (facts.infiniband && facts.locked_bytes >= 0) {
      return Bad(facts.node, "limits", seen,
                 "LimitMEMLOCK=infinity in the agent's systemd unit (ulimit -l in its shell): "
                 "InfiniBand pins memory");
    }
    Good(facts.node, "limits", seen);
  }

  void Space(const NodeFacts& facts) {
    const std::string seen = "agent's home: " + Size(facts.home_free_bytes) +
                             ", /dev/shm: " + Size(facts.shm_free_bytes);
    if (facts.home_free_bytes < kGiB)
      return Bad(facts.node, "space", seen,
                 "free some of the disk, or give the agent another --home");
    if (facts.shm_free_bytes < kSharedMemory) {
      return Bad(facts.node, "space", seen,
                 "give the node (its container: --shm-size) more shared memory; ranks of one node "
                 "and data loaders use it");
    }
    Good(facts.node, "space", seen);
  }

  void Folder(const NodeSeen& node) {
    const FolderFacts& folder = node.facts->folder;
    const std::string seen =
        folder.path + " (" + folder.file_system + ", " + Size(folder.free_bytes) + " free)";
    if (!folder.error.empty()) {
      return Bad(node.node, "folder", seen + ": " + folder.error,
                 "mount the server's checkpoint folder there, writable for the agent's user");
    }
    if (folder.over_http) {
      return Good(node.node, "folder",
                  "not the server's: checkpoints come and go over HTTP; " + seen);
    }
    if (node.in_servers_folder == false) {
      return Bad(node.node, "folder", seen + " is not the server's folder of that name",
                 "mount the server's checkpoint folder at the same path on this node");
    }
    if (folder.mtime_step_ns > 1'000'000'000) {
      return Bad(node.node, "folder",
                 seen + ": keeps times in steps of " + std::to_string(folder.mtime_step_ns) + " ns",
                 "use a file system that keeps times by the second at least", Verdict::kNote);
    }
    if (std::abs(folder.mtime_ahead_ms) > 2 * static_cast<std::int64_t>(kClockMs)) {
      return Bad(node.node, "folder",
                 seen + ": its files' times are " +
                     Ahead(static_cast<double>(folder.mtime_ahead_ms)) + " the node's clock",
                 "let node and file server follow one time server (chrony)");
    }
    Good(node.node, "folder", seen);
  }

  void Mpi(const NodeFacts& facts) {
    if (facts.open_mpi.empty()) {
      return Bad(
          facts.node, "mpi", "no mpirun",
          "apt-get install openmpi-bin; trials with a program need it, those with a command do not",
          Verdict::kNote);
    }
    if (facts.mpi_error.empty())
      return Good(facts.node, "mpi", facts.open_mpi + ", two ranks said hello");
    Bad(facts.node, "mpi", facts.open_mpi + ": " + facts.mpi_error,
        "run mpirun -np 2 hostname there as the agent's user; its words tell what is missing");
  }

  void OfPair(const PairFacts& pair) {
    const std::string where = pair.from + " > " + pair.to;
    if (!pair.error.empty()) {
      return Bad(where, "ports", pair.error,
                 "let the nodes reach each other on all TCP ports from 1024 (firewall, security "
                 "group), or name "
                 "an address that they share with --address of muster agent join");
    }
    if (!pair.back_error.empty()) {
      Bad(pair.to + " > " + pair.from, "ports", pair.back_error,
          "let " + pair.to + " reach " + pair.from +
              " on all TCP ports from 1024 (firewall, security group); the other way works");
    } else {
      Good(where, "ports", "both ways, " + Number(pair.latency_us) + " us a round trip");
    }
    Bandwidth(pair, where);
    MpiBetween(pair, where);
    if (std::abs(pair.clock_ahead_ms) > kClockMs)
      Bad(where, "clock", pair.to + " is " + Ahead(pair.clock_ahead_ms) + " " + pair.from,
          kClockCure);
    if (!OverHttp(pair.from) && !OverHttp(pair.to)) SharedFolder(pair, where);
  }

  [[nodiscard]] bool OverHttp(const std::string& name) const {
    return std::ranges::any_of(facts_.nodes, [&](const NodeSeen& node) {
      return node.node == name && node.facts && node.facts->folder.over_http;
    });
  }

  /// What one node lacks by itself has been said.
  void MpiBetween(const PairFacts& pair, const std::string& where) {
    const bool alone = std::ranges::any_of(facts_.nodes, [&](const NodeSeen& node) {
      return (node.node == pair.from || node.node == pair.to) &&
             (!node.facts || node.facts->open_mpi.empty() || !node.facts->mpi_error.empty());
    });
    if (alone || (pair.mpi_error.empty() && pair.mpi_seconds == 0)) return;
    if (pair.mpi_error.empty())
      return Good(where, "mpi", "a rank on each said hello after " + Time(pair.mpi_seconds * 1e3));
    Bad(where, "mpi", pair.mpi_error,
        "install one version of Open MPI, and muster at one path, on both; mpirun's daemons need "
        "all "
        "TCP ports from 1024 both ways");
  }

  void Bandwidth(const PairFacts& pair, const std::string& where) {
    std::vector<double> all;
    for (const PairFacts& other : facts_.pairs) {
      if (other.error.empty()) all.push_back(other.bytes_a_second);
    }
    std::ranges::nth_element(all, all.begin() + static_cast<std::ptrdiff_t>(all.size() / 2));
    const double middle = all[all.size() / 2];
    const std::string seen = Number(pair.bytes_a_second / 1e9) + " GB/s of an all-reduce over TCP";
    if (pair.bytes_a_second >= kSlowShare * middle) return Good(where, "bandwidth", seen);
    Bad(where, "bandwidth", seen + "; the middle pair has " + Number(middle / 1e9),
        "look at link speed and errors of the interface (ethtool, ip -s link) on the node that is "
        "slow with others, too");
  }

  void SharedFolder(const PairFacts& pair, const std::string& where) {
    if (!pair.folder_shared) {
      return Bad(where, "folder", "neither sees what the other writes to the checkpoint folder",
                 "mount the server's checkpoint folder at the same path on both; without it a "
                 "trial does not find its "
                 "checkpoint on another node");
    }
    if (!pair.folder_error.empty()) {
      return Bad(where, "folder", pair.folder_error,
                 "look at the folder's mount on both nodes (mount, dmesg), and at the rights of "
                 "the agents' users");
    }
    if (!pair.rename_error.empty()) {
      return Bad(
          where, "folder", "a file that is replaced while it is open there: " + pair.rename_error,
          "use NFS 4 or a file system of a cluster; a rename must leave open files as they are");
    }
    if (pair.both_created > 0) {
      return Bad(
          where, "folder",
          "both made one file with O_EXCL " + std::to_string(pair.both_created) + " times of 20",
          "use NFS 3 or later (or another file system): two attempts must not both make one file");
    }
    if (pair.visible_ms < 0 || pair.visible_ms > kVisibleMs) {
      return Bad(where, "folder",
                 "a new file is seen by the other " +
                     (pair.visible_ms < 0 ? "not within 5 s" : "after " + Time(pair.visible_ms)),
                 "mount with lookupcache=positive (NFS): names that were not there are then asked "
                 "for again",
                 Verdict::kNote);
    }
    if (!pair.locks) {
      return Bad(where, "folder", "a lock (flock) on one node does not keep out the other",
                 "mount without nolock and local_lock (NFS), with flock (Lustre); muster itself "
                 "does not lock there",
                 Verdict::kNote);
    }
    Good(where, "folder",
         "rename, O_EXCL and locks hold; a new file is seen after " + Time(pair.visible_ms));
  }

  /// What should be the same everywhere.
  void Differences() {
    Differ("versions", &NodeFacts::muster, facts_.muster,
           "install one version of muster everywhere; agents of the "
           "last major work meanwhile",
           Verdict::kNote);
    Differ("versions", &NodeFacts::open_mpi, "",
           "install one version of Open MPI: its versions do not talk to each other",
           Verdict::kWrong);
    Differ("versions", &NodeFacts::gpu_driver, "",
           "install one version of NVIDIA's driver on the nodes of a gang", Verdict::kNote);
  }

  void Differ(const std::string& check, std::string NodeFacts::* member, const std::string& ours,
              const std::string& cure, Verdict verdict) {
    std::map<std::string, std::string> nodes;  // of each value
    if (!ours.empty()) nodes[ours] = "here";
    for (const NodeSeen& node : facts_.nodes) {
      if (!node.facts || ((*node.facts).*member).empty()) continue;
      std::string& names = nodes[(*node.facts).*member];
      names += (names.empty() ? "" : ", ") + node.node;
    }
    std::string seen;
    for (const auto& [value, names] : nodes)
      seen += (seen.empty() ? "" : "; ") + value + " on " + names;
    if (nodes.size() > 1) Bad("all", check, seen, cure, verdict);
    if (nodes.size() == 1) Good("all", check, nodes.begin()->first);
  }

  const ClusterFacts& facts_;
  std::vector<Finding> findings_;
};

}  // namespace

std::vector<Finding> Judge(const ClusterFacts& facts) { return Judging(facts).All(); }

std::vector<Round> Rounds(int nodes) {
  if (nodes < 2) return {};
  const int places = nodes + nodes % 2;  // the last one of an odd number is nobody
  std::vector<Round> rounds;
  for (int round = 0; round + 1 < places; ++round) {
    Round pairs;
    for (int i = 0; i < places / 2; ++i) {
      // Place 0 stays, the others go around.
      const auto at = [&](int place) {
        return place == 0 ? 0 : 1 + (place - 1 + round) % (places - 1);
      };
      const auto [low, high] = std::minmax({at(i), at(places - 1 - i)});
      if (high < nodes) pairs.emplace_back(low, high);
    }
    rounds.push_back(std::move(pairs));
  }
  return rounds;
}

}  // namespace muster::cluster
