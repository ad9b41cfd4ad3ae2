#include "runtime/server/log_keeper.h"

#include <string>
#include <utility>

#include "runtime/base/base64.h"
#include "runtime/base/log.h"

namespace muster::server {

using namespace coordinator;  // inputs and events by name

std::vector<Input> LogKeeper::Store(const State& state, const StoreLog& chunk) {
  const auto bytes = DecodeBase64(chunk.data);
  if (!bytes.ok()) {
    LogWarning("coordinator",
               chunk.trial.value + " log " + chunk.log + ": " + bytes.error().message);
    return {};
  }
  const auto file = files_.PathOf(chunk.trial, chunk.epoch, chunk.log);
  const auto end = files_.Append(file, chunk.begin, *bytes);
  if (!end.ok()) {
    if (!std::exchange(failed_, true)) LogWarning("coordinator", end.error().message);  // once
    return {};
  }
  failed_ = false;
  const Trial& trial = *state.FindTrial(chunk.trial);
  const bool whole = *end == chunk.begin + static_cast<std::int64_t>(bytes->size());
  if (on_text_ && whole && !bytes->empty()) on_text_(trial.run, chunk.log, chunk.begin, *bytes);
  const Sweep& sweep = *state.FindSweep(trial.sweep);
  std::vector<Input> inputs;
  for (auto& match : scanner_.Look(sweep, chunk.epoch, chunk.log, file, *end, false)) {
    inputs.emplace_back(
        LogMatched{chunk.node, chunk.epoch, chunk.log, match.rule, std::move(match.line)});
  }
  inputs.emplace_back(LogStored{chunk.node, chunk.epoch, chunk.log, *end});
  return inputs;
}

std::vector<LogMatched> LogKeeper::LookAtEnds(const State& state, const Input& input) {
  const auto* from = std::get_if<FromNode>(&input);
  const auto* exited = from == nullptr ? nullptr : std::get_if<wire::Exited>(&from->message);
  const Attempt* attempt = exited == nullptr ? nullptr : state.FindAttempt(exited->epoch);
  const Member* member = attempt == nullptr ? nullptr : attempt->LiveMember(from->node);
  if (member == nullptr) return {};
  const Sweep& sweep = *state.FindSweep(state.FindTrial(attempt->trial)->sweep);
  if (sweep.spec.on_log.empty()) return {};
  // The gang's ranks on other nodes may not be at their lines' ends yet.
  const int first = member->place.first_rank;
  std::vector<LogMatched> all;
  for (int rank = first; rank < first + member->place.ranks; ++rank) {
    for (const char* stream : {".out", ".err"}) {
      const std::string log = std::to_string(rank) + stream;
      const auto file = files_.PathOf(attempt->trial, attempt->epoch, log);
      std::error_code missing;
      const auto size = std::filesystem::file_size(file, missing);
      if (missing) continue;
      for (auto& match :
           scanner_.Look(sweep, attempt->epoch, log, file, static_cast<std::int64_t>(size), true)) {
        all.push_back({from->node, attempt->epoch, log, match.rule, std::move(match.line)});
      }
    }
  }
  return all;
}

void LogKeeper::Forget(const State& state, const Event& event) {
  if (const auto* ended = std::get_if<AttemptEnded>(&event.body)) {
    scanner_.Forget(state.FindTrial(state.FindAttempt(ended->epoch)->trial)->sweep, ended->epoch);
  } else if (const auto* done = std::get_if<SweepEnded>(&event.body)) {
    scanner_.Forget(done->sweep);
  }
}

}  // namespace muster::server
