#include <algorithm>

#include "runtime/base/utf8.h"
#include "runtime/coordinator/coordinator_turn.h"
#include "runtime/coordinator/retry_policy.h"
#include "runtime/coordinator/validate.h"

/// What a sweep's file says about its attempts: how long each may run (trial.time), and what the lines it prints
/// mean (on_log).

namespace muster::coordinator {
namespace {

constexpr std::size_t kMostOfALine = 300;  ///< that is kept, in bytes

/// The line as an event and a terminal can bear it: bounded, valid UTF-8, no control character.
std::string Presentable(std::string_view line) {
  std::string text;
  while (!line.empty() && text.size() < kMostOfALine) {
    const std::size_t size = CharacterSize(line);
    const bool shown = size > 1 || (size == 1 && line[0] >= ' ' && line[0] != 0x7F);
    text += shown ? line.substr(0, size) : "?";
    line.remove_prefix(std::max<std::size_t>(1, size));
  }
  return line.empty() ? text : text + "...";
}

bool HasFired(const Attempt& attempt, int rule) {
  return std::ranges::find(attempt.fired, rule, &FiredRule::rule) != attempt.fired.end();
}

}  // namespace

/// From the durable time of the start, so that a restart grants no second helping; nullopt: no limit.
std::optional<MonotonicTime> Coordinator::TimeLimit(const Turn& turn,
                                                    const Attempt& attempt) const {
  if (attempt.phase != wire::AttemptPhase::kRunning) return std::nullopt;
  const Trial& trial = *state_.FindTrial(attempt.trial);
  const std::int64_t limit_ms = state_.sweeps.at(trial.sweep).spec.trial.time_seconds * 1000;
  if (limit_ms == 0) return std::nullopt;
  const std::int64_t ran_ms =
      std::clamp<std::int64_t>(turn.unix_now - attempt.started_ms, 0, limit_ms);
  return turn.now + Ms(limit_ms - ran_ms);
}

void Coordinator::StopForTime(Turn& turn, const Attempt& attempt) {
  const Trial& trial = *state_.FindTrial(attempt.trial);
  const std::int64_t limit = state_.sweeps.at(trial.sweep).spec.trial.time_seconds;
  Decide(turn, attempt,
         {attempt.epoch, wire::StopReason::kWalltime, wire::ExitCause::kWalltime,
          "the attempt ran for its " + std::to_string(limit) + " s (trial.time)"});
}

void Coordinator::On(Turn& turn, const LogMatched& input) {
  const Attempt* attempt = state_.FindAttempt(input.epoch);
  if (attempt == nullptr || HasFired(*attempt, input.rule)) return;
  const Trial& trial = *state_.FindTrial(attempt->trial);
  const Sweep& sweep = state_.sweeps.at(trial.sweep);
  const auto& rules = sweep.spec.on_log;
  if (IsFinal(trial.phase) && !attempt->live()) return;
  if (input.rule < 0 || input.rule >= static_cast<int>(rules.size())) return;
  const auto reaction = rules[static_cast<std::size_t>(input.rule)].reaction;
  // Without another node that holds the trial it would wait for ever.
  const bool excludes = reaction == wire::LogReaction::kExcludeNode &&
                        !sweep.excluded_nodes.contains(input.node) &&
                        HasRoomBeside(input.node, sweep.shape, turn.now);
  const std::string line = Presentable(input.line);
  Emit(turn, LogRuleFired{input.epoch, input.rule, input.node, input.log, line, excludes});
  // The exit came first (its agent gave up waiting for the log) and the trial was to be tried again.
  const bool late = trial.phase == TrialPhase::kWaiting && trial.attempts.back() == input.epoch &&
                    IsFailure(*attempt->cause);
  if (late && reaction == wire::LogReaction::kFail) {
    EndTrial(turn, trial, {}, TrialPhase::kFailed, {},
             line + " (on_log[" + std::to_string(input.rule) + "])");
  }
}

}  // namespace muster::coordinator
