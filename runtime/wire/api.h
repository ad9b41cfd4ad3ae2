#pragma once

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "runtime/base/result.h"

/// What /api/muster/v1 answers, as structs; the command line, the dashboard and CI read the same. Fields
/// are added, never renamed. Times are Unix milliseconds, 0 when they have not come yet.

namespace muster::wire {

struct TrialSummary {
  std::string id;  ///< "<sweep>/<number>"
  std::int64_t number = 0;
  std::string
      state;  ///< waiting, starting, running, stopping, paused, complete, pruned, failed, cancelled
  boost::json::object params;
  std::optional<double> objective;  ///< the final one, or the newest while it runs
  std::int64_t step = 0;
  std::int64_t total_steps = 0;
  int attempts = 0;
  std::int64_t epoch = 0;  ///< of the newest attempt
  std::string node;
  std::string run_id;
  std::int64_t created_ms = 0, started_ms = 0, ended_ms = 0;
  std::string message;         ///< why it failed, or what it waits for
  int exit_code = 0;           ///< of the rank that failed the newest attempt; 128 + signal
  std::string by;              ///< which algorithm suggested the parameters
  std::string from;            ///< the trial that it was cloned from ...
  std::int64_t from_step = 0;  ///< ... at this step; 0: its parameters alone
};

/// What attempts held and used, those that have ended; what nobody counted is absent.
struct UseSummary {
  double slot_seconds = 0;  ///< slots x time for which they were held
  double gpu_seconds = 0;   ///< GPUs x time
  /// Of these, since the last checkpoint of attempts that failed or were taken away.
  double lost_slot_seconds = 0, lost_gpu_seconds = 0;
  std::optional<double> cpu_seconds;         ///< user and system time of processes
  std::optional<double> gpu_busy_seconds;    ///< for which GPUs' multiprocessors were busy
  std::optional<std::int64_t> memory_bytes;  ///< the most on one node
  std::optional<double> joules;              ///< where the batch system measures it
};

struct AttemptSummary {
  std::int64_t epoch = 0;
  std::string state, node, cause, message;
  std::int64_t created_ms = 0, started_ms = 0, ended_ms = 0;
  std::vector<std::string> notices;  ///< hangs and slow ranks that were seen while it ran
  UseSummary used;
};

struct TrialDetail {
  TrialSummary trial;
  std::vector<AttemptSummary> attempts;
  std::string checkpoint;  ///< the best one, empty when there is none
  std::map<std::string, double> metrics;
  UseSummary used;  ///< all attempts
};

struct GateSummary {
  std::string gate;
  bool passed = false;
  double seen = 0, wanted = 0;
  std::string detail;
};

/// What became of a sweep's best model.
struct PromotionSummary {
  std::string state;  ///< "", waiting, promoted, kept (the gates refused), failed
  std::string model, alias, reason;
  std::int64_t version = 0;
  std::string trial;
  std::vector<GateSummary> gates;
};

struct SweepSummary {
  std::string id, name, user;
  std::string state;  ///< running, paused, promoting, complete, failed, cancelled
  std::string metric, goal;
  int trials = 0, complete = 0, pruned = 0, failed = 0, running = 0, waiting = 0, paused = 0;
  int budget = 0;
  std::optional<double> best;
  std::string best_trial;
  std::int64_t created_ms = 0, ended_ms = 0;
  double slot_seconds = 0;  ///< slots x time that its gangs held
  double busy_share = 0;    ///< of all slots, from the first start to the last end
  std::string message;
};

struct SweepDetail {
  SweepSummary sweep;
  PromotionSummary promotion;
  boost::json::object spec;
  UseSummary used;  ///< all attempts of all trials
};

struct NodeSummary {
  std::string id, host;
  std::string
      state;  ///< up, torpid, lost; of one that is out of work cordoned, draining, drained, excluded
  int slots = 0, used = 0, gpus = 0;
  std::int64_t last_seen_ms = 0;
  std::string reason;  ///< why it is out of work
  /// What it keeps attempts within, "memory", "cpu" and "pids": "cgroup" (by the kernel), "watched" or "no".
  std::map<std::string, std::string> limits;
  std::vector<std::int64_t> gpu_memory;  ///< bytes of each GPU; 0: not known
};

struct AllocationSummary {
  std::string id, job;
  std::string state;  ///< asked, waiting, running, joined, leaving, ended, failed
  std::string sweep;  ///< whose trial alone it is for
  std::string words;  ///< the batch system's, or why it leaves or has ended
  int nodes = 0, restarts = 0;
  std::int64_t asked_ms = 0, started_ms = 0, ends_ms = 0;
  double slot_seconds = 0;       ///< slots x time that it had its nodes, up to now
  double busy_slot_seconds = 0;  ///< of which attempts held so many
};

struct PoolSummary {
  std::string name;
  std::string state;  ///< open, paused, removed
  std::string reason;
  int failures = 0;
  boost::json::object spec;                    ///< as PoolSpecFromJson reads it
  std::vector<AllocationSummary> allocations;  ///< those that live, then the latest that have ended
  double slot_seconds = 0, busy_slot_seconds = 0;  ///< of all its allocations that ever were
  /// What the batch system says that those which have ended cost; absent: it does not count.
  std::optional<double> cpu_seconds, gpu_seconds, joules;
};

boost::json::value ToJson(const PoolSummary& value);
Result<PoolSummary> PoolSummaryFromJson(const boost::json::value& json);
boost::json::value ToJson(const TrialSummary& value);
boost::json::value ToJson(const TrialDetail& value);
boost::json::value ToJson(const SweepSummary& value);
boost::json::value ToJson(const SweepDetail& value);
boost::json::value ToJson(const NodeSummary& value);
boost::json::value ToJson(const PromotionSummary& value);
Result<TrialSummary> TrialSummaryFromJson(const boost::json::value& json);
Result<TrialDetail> TrialDetailFromJson(const boost::json::value& json);
Result<SweepSummary> SweepSummaryFromJson(const boost::json::value& json);
Result<SweepDetail> SweepDetailFromJson(const boost::json::value& json);
Result<NodeSummary> NodeSummaryFromJson(const boost::json::value& json);
Result<PromotionSummary> PromotionSummaryFromJson(const boost::json::value& json);

/// True for the states that a trial or a sweep never leaves.
bool IsFinal(const std::string& state);

}  // namespace muster::wire
