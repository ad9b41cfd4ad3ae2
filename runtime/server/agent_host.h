#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>

#include "runtime/base/ids.h"
#include "runtime/base/result.h"
#include "runtime/net/keys.h"
#include "runtime/server/inventory.h"
#include "runtime/wire/messages.h"

/// An agent that runs: the state machine of runtime/agent on a thread of its own, with the processes of
/// this machine (cluster/local) and a connection to the coordinator (runtime/net).

namespace muster::server {

/// How a node comes by checkpoints.
enum class CheckpointsBy {
  kLooking,  ///< in the folder where it is the server's (wire::Prepare::checkpoint_store), else over HTTP
  kFolder,  ///< the folder is the server's
  kHttp,    ///< it is not
};

/// What the coordinator says of checkpoints, as it is for a node that comes by them so. `url` and `endpoint` are
/// AgentHost::Options'.
wire::Prepare WithCheckpoints(wire::Prepare prepare, CheckpointsBy by, const std::string& url,
                              const std::string& endpoint);

class AgentHost {
 public:
  struct Options {
    std::filesystem::path home;             ///< absolute; its files: cluster/README.md
    std::filesystem::path self_executable;  ///< `muster`
    std::filesystem::path bin_dir;          ///< trials that ship; empty: beside self_executable
    NodeId node;                            ///< see LoadOrMakeNodeId
    std::string host;                       ///< for people; empty: gethostname
    Inventory has;
    std::string address;      ///< where gangs on several nodes reach this one; empty: loopback
    bool orphans_end = true;  ///< agent::Options, likewise the next
    std::int64_t lonely_ms = 0;
    /// The start's number is at least this, and one above the home's last. The Unix time in milliseconds makes a node
    /// whose home is new count as newer than what it was before; 0: the home's count alone.
    std::int64_t incarnation_least = 0;
    CheckpointsBy checkpoints = CheckpointsBy::kLooking;
    std::string checkpoints_url;       ///< in place of the one that the server says; empty: that
    std::filesystem::path ready_file;  ///< is there while the server has the node; empty: none
    std::string endpoint;              ///< CoordinatorSocket::endpoint()
    net::KeyPair keys;                 ///< this node's
    std::string server_public_key;     ///< the coordinator's
    /// Nothing runs here and nothing will come: the owner should end. `failed` as agent::Quit's. From the agent's
    /// thread, once; may be empty.
    std::function<void(const std::string& why, bool failed)> on_quit = {};
  };

  /// Adopts what runs on this home and starts the thread. kConflict when another agent holds the home, or it is
  /// another node's.
  static Result<std::unique_ptr<AgentHost>> Start(Options options);
  /// Stops the thread. Ranks go on: the next agent on the home adopts them.
  ~AgentHost();
  AgentHost(const AgentHost&) = delete;
  AgentHost& operator=(const AgentHost&) = delete;

  /// The node is about to be taken away: its attempts save what they have and end. Any thread.
  void Leave(wire::ExitCause cause);

  /// The id in `<home>/node`, made at the first call: "<host>-<8 hexadecimal digits>".
  static Result<NodeId> LoadOrMakeNodeId(const std::filesystem::path& home);

 private:
  struct Impl;
  explicit AgentHost(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace muster::server
