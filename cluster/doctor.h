#pragma once

#include <boost/json/value.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "runtime/base/result.h"

/// What `muster doctor --cluster` measures on nodes and between them (`muster probe`), and what follows from it.
/// Bytes are bytes, clocks Unix milliseconds.

namespace muster::cluster {

/// How the folder that should be the server's checkpoint folder behaves on one node. An empty text is good.
struct FolderFacts {
  std::string path;
  std::string file_system;  ///< "ext4", "nfs", ...; "0x1234" of one without a name here
  std::string error;        ///< it cannot be written, or its names cannot be synced: why
  std::int64_t free_bytes = 0;
  std::int64_t mtime_step_ns = 1;   ///< the finest difference of times that it keeps
  std::int64_t mtime_ahead_ms = 0;  ///< a file's time after its writing, against the node's clock
  bool over_http =
      false;  ///< the node does not share the server's: checkpoints travel, and the rest is of its own disk
};

struct NodeFacts {
  std::string node;
  std::string muster;                           ///< the version
  std::string address, interface;               ///< where ranks on other nodes reach it
  std::int64_t clock_ms = 0, clock_end_ms = 0;  ///< when the probe began, and when it had looked
  std::string kernel;
  std::string open_mpi;   ///< mpirun's version; empty: there is none
  std::string mpi_error;  ///< two ranks on the node did not say hello: why
  std::string gpu_driver;
  std::vector<std::string> gpus;   ///< models
  std::int64_t locked_bytes = -1;  ///< RLIMIT_MEMLOCK; -1: no limit
  std::int64_t open_files = -1;    ///< RLIMIT_NOFILE
  bool infiniband = false;
  std::int64_t home_free_bytes = 0, shm_free_bytes = 0;
  FolderFacts folder;
};

/// What two nodes find of each other; `to` listens, `from` calls.
struct PairFacts {
  std::string from, to;
  std::string error;           ///< they did not meet: why
  std::string back_error;      ///< the other way: `to` did not reach `from`
  double latency_us = 0;       ///< of a round trip, the shortest
  double bytes_a_second = 0;   ///< of an all-reduce over TCP: size by time
  double clock_ahead_ms = 0;   ///< `to`'s clock against `from`'s
  std::string mpi_error;       ///< a rank of mpirun on each did not say hello: why
  double mpi_seconds = 0;      ///< that the hello took, mpirun's start included; 0: there was none
  std::string folder_error;    ///< what stopped the measures of the folder
  bool folder_shared = false;  ///< each sees what the other wrote
  double visible_ms =
      0;  ///< from the other's close of a new file until it can be opened here; -1: never
  std::string rename_error;  ///< of a file that is replaced while it is open there
  int both_created = 0;      ///< times of 20 that O_EXCL made one file on both
  bool locks = false;        ///< a lock (flock) that one holds keeps the other out
};

/// What the server says of a node and of the probe's stay there.
struct NodeSeen {
  std::string node;
  std::string state = "up";  ///< as wire::NodeSummary
  std::string reason;        ///< why it is out of work, or why the probe failed
  std::optional<NodeFacts> facts;
  std::int64_t created_ms = 0, ended_ms = 0;  ///< of the probe, by the server's clock
  std::optional<bool> in_servers_folder;  ///< its token lies there; nothing: could not be looked at
};

struct ClusterFacts {
  std::string muster;  ///< of who asks
  std::vector<NodeSeen> nodes;
  std::vector<PairFacts> pairs;
};

enum class Verdict { kGood, kNote, kWrong };

struct Finding {
  std::string where;  ///< "gpu-1", "gpu-1 > gpu-2", "all"
  std::string check;  ///< "clock", "ports", "folder", ...
  Verdict verdict = Verdict::kGood;
  std::string seen;
  std::string cure;  ///< what to do; empty when it is good
};

/// Node by node, then pair by pair, then what differs. Never empty when there is a node.
std::vector<Finding> Judge(const ClusterFacts& facts);

/// Pairs of 0 to nodes - 1, round by round, each node at most once a round, every pair once (the circle method).
using Round = std::vector<std::pair<int, int>>;
std::vector<Round> Rounds(int nodes);

boost::json::value ToJson(const NodeFacts& facts);
boost::json::value ToJson(const PairFacts& facts);
boost::json::value ToJson(const Finding& finding);
/// kInvalid names the member.
Result<NodeFacts> NodeFactsFromJson(const boost::json::value& json);
Result<PairFacts> PairFactsFromJson(const boost::json::value& json);

}  // namespace muster::cluster
