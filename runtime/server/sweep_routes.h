#pragma once

#include <atomic>
#include <filesystem>

#include "registry/loop/trigger_service.h"
#include "runtime/server/coordinator_host.h"
#include "runtime/wire/http.h"

namespace muster::server {

/// The coordinator once it runs. Its trials are told the server's address, so the server listens first; what is
/// asked before that, or after the end, is answered with kUnavailable.
class LateHost {
 public:
  void Set(CoordinatorHost* host) { host_ = host; }
  [[nodiscard]] Result<CoordinatorHost*> Get() const {
    CoordinatorHost* host = host_;
    if (host != nullptr) return host;
    return Unavailable("the coordinator is starting or stopping; try again in a second");
  }

 private:
  std::atomic<CoordinatorHost*> host_{nullptr};
};

/// Sweeps, trials and nodes under /api/muster/v1 (wire/api.h holds the shapes):
///   POST   sweeps                            {"spec": {...}, "id"?: "..."} -> {"id", "created"}
///   GET    sweeps, sweeps/{id}               {"sweeps": [SweepSummary]}, SweepDetail
///   POST   sweeps/{id}/pause|resume|cancel
///   POST   sweeps/{id}/space                 {"space": {...}, "constraints": [...]}: wider than it was -> {}
///   POST   sweeps/{id}/enqueue               {"params": {...}} -> {}
///   GET    sweeps/{id}/explain               {"explanation", "lines"}
///   GET    sweeps/{id}/trials[/{n}]          {"trials": [TrialSummary]}, TrialDetail
///   GET    sweeps/{id}/trials/{n}/explain
///   POST   sweeps/{id}/trials/{n}/stop|retry
///   GET    sweeps/{id}/trials/{n}/logs       ?rank=0&stream=out&offset=0[&epoch=]: raw bytes, 256 KiB at most
///   GET    nodes                             {"nodes": [NodeSummary]}
///   POST   nodes/{id}/cordon|uncordon|drain|exclude   nothing or {"reason": "..."} -> {}
/// A sweep with `retrain` becomes a trigger of its name as well, once it is accepted; one whose program is
/// neither in `bin_dir` nor in PATH is refused. `late` and `triggers` must outlive the router.
void AddSweepRoutes(http::Router& router, LateHost& late, registry::TriggerService& triggers,
                    const std::filesystem::path& bin_dir);

}  // namespace muster::server
