#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "runtime/wire/api.h"

namespace muster::coordinator {

struct Attempt;
struct State;
struct Trial;

/// What attempts held and used, those that have ended. What nobody counted is absent; a sum is then of the others.
struct Use {
  std::int64_t slot_ms = 0;  ///< slots x time for which they were held
  std::int64_t gpu_ms = 0;   ///< GPUs x time, shares of one as such
  /// Of these, what brought nothing: since the last checkpoint, of attempts that failed or were taken away.
  std::int64_t lost_slot_ms = 0, lost_gpu_ms = 0;
  std::optional<std::int64_t> cpu_ms;        ///< user and system time of processes
  std::optional<std::int64_t> gpu_busy_ms;   ///< for which GPUs' multiprocessors were busy
  std::optional<std::int64_t> memory_bytes;  ///< the most on one node; of a sum, the most of any
  std::optional<double> joules;  ///< their part of what their nodes used, by slots x time
};

void AddTo(Use& sum, const Use& more);

/// Of an attempt whose members have all ended. `lost`: what it did since its last checkpoint was for nothing.
Use UseOf(const Attempt& attempt, bool lost);
/// Of the trial's attempts that have ended.
Use UseOf(const State& state, const Trial& trial);

/// The same as tags of the trial's run; README of this folder.
std::map<std::string, std::string> UseTags(const State& state, const Trial& trial);

wire::UseSummary SummaryOf(const Use& use);

}  // namespace muster::coordinator
