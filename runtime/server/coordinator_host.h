#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "runtime/coordinator/coordinator.h"
#include "runtime/coordinator/journal.h"
#include "runtime/server/log_keeper.h"

/// A coordinator that runs: the state machine on a thread of its own, its journal, and the ports through
/// which it acts. What waits in the inbox is stepped together and committed in one transaction, on a thread of
/// the journal's own while the next turn is stepped; only then are messages sent, actions begun, replies given, and
/// questions answered that saw it.

namespace muster::server {

class CoordinatorHost {
 public:
  /// What the coordinator acts through. All are called from its thread and must not block on it; every
  /// `done` may be called from any thread, once.
  struct Ports {
    std::function<void(const NodeId&, const wire::Envelope&)> send;
    std::function<void(coordinator::StoreMetrics, std::function<void(Status)> done)> store_metrics;
    /// kInvalid, kNotFound, kConflict, kUnsupported, kAlreadyExists: it can never be done. Any other
    /// error: given again after a delay. A promotion is also over after kInternal and kCorrupt, and after its
    /// tenth try by this process; the sweep then ends without it.
    std::function<void(coordinator::RunCommand,
                       std::function<void(Result<boost::json::object>)> done)>
        run_command;
    /// What the tracker keeps of a run's metric; read at start for runs with a live attempt. May block.
    std::function<Result<std::vector<coordinator::TrackedMetric>>(const RunId&, const std::string&)>
        read_metric;
    /// What a rank printed, once it is stored (log_keeper.h). Optional.
    LogKeeper::OnText on_log;
    /// The journal failed (a full disk, ...): the coordinator has stopped, nothing unacknowledged is kept.
    std::function<void(Error)> on_fatal;
  };
  using Reply = std::function<void(Result<boost::json::object>)>;

  /// Replays the journal and starts the thread. `log_root`: ranks' output is kept as
  /// <log_root>/<trial id>/<epoch>.<rank>.<stream>.
  static Result<std::unique_ptr<CoordinatorHost>> Start(
      coordinator::Config config, std::unique_ptr<coordinator::Journal> journal,
      std::filesystem::path log_root, Ports ports);
  /// Commits what waits and stops the thread, which may call the ports until then; take the socket away
  /// first. Ranks go on.
  ~CoordinatorHost();
  CoordinatorHost(const CoordinatorHost&) = delete;
  CoordinatorHost& operator=(const CoordinatorHost&) = delete;

  /// From any thread. `reply` comes after the commit, on the coordinator's thread; kUnavailable when the
  /// coordinator has stopped.
  void Submit(coordinator::Input input, Reply reply = {});
  /// The same, and waits for the reply. Not from the coordinator's thread.
  Result<boost::json::object> SubmitAndWait(coordinator::Input input);
  /// From the socket's thread.
  void OnMessage(const NodeId& node, wire::Envelope envelope);
  /// From any thread. The tracker has acknowledged them, so no bound drops them.
  void OnMetrics(coordinator::TrackedMetrics metrics);

  /// Runs `question` on the coordinator's thread between turns and waits for its answer, which comes when all that
  /// it saw is durable; the views are in
  /// runtime/coordinator/views.h. Not from the coordinator's thread (a port, a reply).
  Result<boost::json::value> Ask(std::function<Result<boost::json::value>(
                                     const coordinator::Coordinator&, MonotonicTime, UnixMillis)>
                                     question);
  /// Whose token it is, as of the last commit; nullopt: no attempt's. Any thread, never waits.
  [[nodiscard]] std::optional<coordinator::TokenOwner> AttemptOf(const std::string& token) const;
  /// The live attempt whose run it is, as of the last commit; epoch 0: of none. Any thread, never waits.
  [[nodiscard]] AttemptEpoch LiveAttemptOf(const RunId& run) const;
  /// Where a rank's output lies.
  [[nodiscard]] std::filesystem::path LogFile(const TrialId& trial, AttemptEpoch epoch,
                                              const std::string& log) const;

 private:
  struct Impl;
  explicit CoordinatorHost(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace muster::server
