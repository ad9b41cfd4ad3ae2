#pragma once

#include <cstdint>
#include <map>
#include <string>

/// What a rank tells of its own steps: where their time went. Pure.

namespace muster::trainer {

/// Seconds, all 0 or more.
struct StepTime {
  double load = 0;      ///< waiting for its rows
  double forward = 0;   ///< of a graph or a GPU, which compute later: queueing
  double backward = 0;  ///< until its own gradients were there
  double wait = 0;      ///< for the other ranks' gradients
  double all = 0;       ///< from asking for its rows to new weights
  std::int64_t rows = 0;
};

class StepTimes {
 public:
  void Add(const StepTime& step);
  /// Of the steps since the last call; nothing when there were none. Means of a step: "step_seconds", "load_seconds",
  /// "forward_seconds", "backward_seconds", "wait_seconds", "optimizer_seconds" (the rest of the step), "compute_seconds"
  /// (neither loading nor waiting: the rank that the others wait for has the largest); and
  /// "samples_per_second" of this rank's rows, unless the steps took no time.
  std::map<std::string, double> Take();

 private:
  StepTime sum_;
  std::int64_t steps_ = 0;
};

}  // namespace muster::trainer
