#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "runtime/coordinator/input.h"
#include "runtime/coordinator/state.h"
#include "runtime/server/log_files.h"
#include "runtime/server/log_scanner.h"

namespace muster::server {

/// Stores ranks' output and looks through it for what on_log rules match. One thread, but for `PathOf`.
class LogKeeper {
 public:
  /// Hears of bytes that have been stored, from `begin` on in the run's log; the same may come again after a
  /// lost acknowledgement.
  using OnText = std::function<void(const RunId&, const std::string& log, std::int64_t begin,
                                    const std::string& bytes)>;

  explicit LogKeeper(std::filesystem::path root, OnText on_text = {})
      : files_(std::move(root)), on_text_(std::move(on_text)) {}

  /// What the coordinator is to hear of the chunk: the rules that match, and only then that it is stored, since a
  /// match must be durable before the bytes are acknowledged. Nothing when the disk refuses it: the
  /// agent sends it again.
  std::vector<coordinator::Input> Store(const coordinator::State& state,
                                        const coordinator::StoreLog& chunk);
  /// Of an input that is a node's exit, before it is judged: what its ranks printed last, without an end of
  /// the line, and what was stored before this process began.
  std::vector<coordinator::LogMatched> LookAtEnds(const coordinator::State& state,
                                                  const coordinator::Input& input);
  /// Attempts and sweeps that have ended need not be remembered.
  void Forget(const coordinator::State& state, const coordinator::Event& event);

  [[nodiscard]] std::filesystem::path PathOf(const TrialId& trial, AttemptEpoch epoch,
                                             const std::string& log) const {
    return files_.PathOf(trial, epoch, log);
  }

 private:
  LogFiles files_;
  OnText on_text_;
  LogScanner scanner_;
  bool failed_ = false;
};

}  // namespace muster::server
