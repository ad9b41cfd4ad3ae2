#pragma once

#include <boost/json/object.hpp>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "cluster/batch_system.h"
#include "registry/webhook.h"
#include "runtime/base/result.h"
#include "runtime/server/gc_worker.h"
#include "runtime/server/inventory.h"

/// The daemon: coordinator, tracker, registry, HTTP and, unless it has no slots, a local agent, in one process.
///
/// What lies in the home:
///   coordinator.db, tracker.db, registry.db, rules.db, studies.db    one database a concern (SQLite, WAL)
///   artifacts/        run artifacts by content          models/     published versions
///   checkpoints/      of trials                         logs/       what ranks printed
///   uploads/          bodies of requests under way      candidates/ exports that are being judged
///   attempts/, node, agent.starts, agent.lock           the local agent's
///   server.key, agent.key                               CURVE keys, mode 0600
///   keys/             audit-signing.pem and model-signing.pem, the registry's (Ed25519, P-256), mode 0600
///   pools/            keys of the nodes that batch systems lend, and the logs of their jobs
///   agents.json       public keys of agents elsewhere (runtime/net/node_keys.h)
///   server.json       {"url", "pid", "agents", "checkpoints"} of the server that runs or ran last
///   server.lock       held while a server runs

namespace muster::server {

struct ServerOptions {
  std::filesystem::path home;  ///< made when missing
  /// Where checkpoints lie, at the same path on every node (cluster/storage.md). Empty: <home>/checkpoints.
  std::filesystem::path checkpoints;
  std::string host = "127.0.0.1";
  std::uint16_t port = 7070;  ///< 0: the one of the last time when it is free, else any
  Inventory has;              ///< of the local agent; without slots there is none
  std::string agents_host =
      "127.0.0.1";                ///< address at which agents elsewhere connect; "0.0.0.0": any
  std::uint16_t agents_port = 0;  ///< 0: the one of the last time when it is free, else any
  /// For nodes elsewhere that do not share the checkpoints' folder, on `agents_host`; 0: as agents_port.
  std::uint16_t checkpoints_port = 0;
  /// What nodes elsewhere are told: the host of agents, and of trials' MLFLOW_TRACKING_URI, where the server
  /// listens on every interface. Empty: gethostname.
  std::string advertise;
  registry::WebhookPolicy webhooks;  ///< where they may lead; with a resolver
  /// Opens a pool's batch system by its `site`.
  std::function<Result<std::unique_ptr<cluster::BatchSystem>>(const boost::json::object&)>
      batch_system;
  GcSchedule gc;                  ///< what is deleted for good without being asked
  std::filesystem::path program;  ///< this executable: the agent's shims are started from it
  std::filesystem::path bin_dir;  ///< trials that ship, and modules (runtime/modules)
};

class Server {
 public:
  /// Everything runs when it returns, and the process may open as many files as its hard limit allows.
  /// `on_fatal` is called once, from any thread, when the server cannot go on (a full disk); the owner should
  /// then destroy it and exit. kConflict: another server holds the home, or the port is taken.
  static Result<std::unique_ptr<Server>> Start(ServerOptions options,
                                               std::function<void(Error)> on_fatal);
  /// Stops in order; what was acknowledged is on disk. Ranks go on: the next server adopts them.
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  [[nodiscard]] std::string url() const;
  [[nodiscard]] std::uint16_t port() const;

 private:
  struct Impl;
  explicit Server(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace muster::server
