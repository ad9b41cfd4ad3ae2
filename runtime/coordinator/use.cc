#include "runtime/coordinator/use.h"

#include <algorithm>
#include <cmath>

#include "runtime/coordinator/state.h"

namespace muster::coordinator {
namespace {

template <typename T>
void Add(std::optional<T>& sum, const std::optional<T>& more) {
  if (more) sum = sum.value_or(0) + *more;
}

void Raise(std::optional<std::int64_t>& most, const std::optional<std::int64_t>& one) {
  if (one) most = std::max(most.value_or(0), *one);
}

/// 12345 -> "12.345"
std::string Seconds(std::int64_t ms) {
  const std::string digits = std::to_string(ms % 1'000);
  return std::to_string(ms / 1'000) + "." + std::string(3 - digits.size(), '0') + digits;
}

std::optional<double> InSeconds(const std::optional<std::int64_t>& ms) {
  return ms ? std::optional(static_cast<double>(*ms) / 1e3) : std::nullopt;
}

}  // namespace

void AddTo(Use& sum, const Use& more) {
  sum.slot_ms += more.slot_ms;
  sum.gpu_ms += more.gpu_ms;
  sum.lost_slot_ms += more.lost_slot_ms;
  sum.lost_gpu_ms += more.lost_gpu_ms;
  Add(sum.cpu_ms, more.cpu_ms);
  Add(sum.gpu_busy_ms, more.gpu_busy_ms);
  Raise(sum.memory_bytes, more.memory_bytes);
  Add(sum.joules, more.joules);
}

Use UseOf(const Attempt& attempt, bool lost) {
  Use use;
  for (const Member& member : attempt.members) {
    std::int64_t gpu_milli = 0;
    for (const wire::DeviceShare& device : member.place.devices) gpu_milli += device.milli;
    const auto since = [&](UnixMillis begin) {
      return std::max<std::int64_t>(0, member.ended_ms - std::max(begin, attempt.created_ms));
    };
    const auto slots = static_cast<std::int64_t>(member.place.slots.size());
    use.slot_ms += slots * since(0);
    use.gpu_ms += gpu_milli * since(0) / 1'000;
    if (lost) {
      use.lost_slot_ms += slots * since(attempt.saved_ms);
      use.lost_gpu_ms += gpu_milli * since(attempt.saved_ms) / 1'000;
    }
    if (!member.used) continue;
    Add(use.cpu_ms, std::optional(member.used->cpu_ms));
    Add(use.gpu_busy_ms, member.used->gpu_ms);
    Raise(use.memory_bytes, member.used->memory_bytes);
  }
  return use;
}

Use UseOf(const State& state, const Trial& trial) {
  Use sum;
  for (const AttemptEpoch epoch : trial.attempts) AddTo(sum, state.FindAttempt(epoch)->use);
  return sum;
}

std::map<std::string, std::string> UseTags(const State& state, const Trial& trial) {
  std::map<std::string, std::string> tags;
  if (trial.attempts.empty()) return tags;
  const Use use = UseOf(state, trial);
  tags["muster.slot_seconds"] = Seconds(use.slot_ms);
  if (use.gpu_ms > 0) tags["muster.gpu_seconds"] = Seconds(use.gpu_ms);
  if (use.lost_slot_ms > 0) tags["muster.lost_slot_seconds"] = Seconds(use.lost_slot_ms);
  if (use.cpu_ms) tags["muster.cpu_seconds"] = Seconds(*use.cpu_ms);
  if (use.gpu_busy_ms) tags["muster.gpu_busy_seconds"] = Seconds(*use.gpu_busy_ms);
  if (use.memory_bytes) tags["muster.memory_peak_bytes"] = std::to_string(*use.memory_bytes);
  if (use.joules) tags["muster.energy_joules"] = std::to_string(std::llround(*use.joules));
  std::vector<std::string> jobs;
  for (const AttemptEpoch epoch : trial.attempts) {
    for (const std::string& job : state.FindAttempt(epoch)->jobs) {
      if (!std::ranges::count(jobs, job)) jobs.push_back(job);
    }
  }
  for (const std::string& job : jobs) {
    std::string& text = tags["muster.slurm.job_id"];
    text += (text.empty() ? "" : ",") + job;
  }
  return tags;
}

wire::UseSummary SummaryOf(const Use& use) {
  const auto seconds = [](std::int64_t ms) { return static_cast<double>(ms) / 1e3; };
  return {.slot_seconds = seconds(use.slot_ms),
          .gpu_seconds = seconds(use.gpu_ms),
          .lost_slot_seconds = seconds(use.lost_slot_ms),
          .lost_gpu_seconds = seconds(use.lost_gpu_ms),
          .cpu_seconds = InSeconds(use.cpu_ms),
          .gpu_busy_seconds = InSeconds(use.gpu_busy_ms),
          .memory_bytes = use.memory_bytes,
          .joules = use.joules};
}

}  // namespace muster::coordinator
