#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "registry/serve/decision_log.h"
#include "registry/serve/model_server.h"
#include "registry/serve/model_source.h"
#include "registry/serve/poll_thread.h"

namespace muster::registry::serve {

/// How an experiment ended.
struct ExperimentEnd {
  std::string model;
  std::int64_t champion = 0, challenger = 0;
  bool took_over = false;
  std::string reason;
};

/// The challenger's share of the requests from here on.
struct ExperimentStep {
  std::string model;
  std::int64_t challenger = 0;
  double share = 0;
  std::string reason;
};

/// The port to whom the end is told: the command line's moves the registry's aliases.
class ExperimentReporter {
 public:
  virtual ~ExperimentReporter() = default;
  /// Asked again, later, after kUnavailable. Any other error is final: a challenger that passed goes back all the same.
  /// Once or more for one end.
  virtual Status Report(const ExperimentEnd& end) = 0;
  /// For who follows it; once, whatever comes of it.
  virtual void Progress(const ExperimentStep& step) = 0;
};

/// Keeps a server's challenger the one that a source names.
///
///   a version that is new       is loaded and challenges
///   a source without a version  ends the experiment (kNotFound: the alias was removed)
///   the rollout has ended       the end is reported, then the server lets go of what lost
///
/// What a rollout or a person sent back is not tried again, after a restart neither where there is a decision log, until
/// the source has named another version or none in between. A rollout that was under way when the server ended begins
/// anew. All must outlive it.
class ChallengerFollower {
 public:
  ChallengerFollower(ModelSource& source, ModelServer& server, ExperimentOptions options,
                     ExperimentReporter& reporter, DecisionLog& log,
                     std::chrono::milliseconds poll = std::chrono::milliseconds(500));

  /// One poll; not while the thread runs.
  Status Step();
  void Start() { thread_.Start(); }
  void Stop() { thread_.Stop(); }

 private:
  Status Settle(const ExperimentEnd& end);
  /// `experiment`: the one that is running, or null.
  Status Follow(std::shared_ptr<Experiment> experiment);
  Status WriteDecisions(const Experiment& experiment);

  ModelSource& source_;
  ModelServer& server_;
  const ExperimentOptions options_;
  ExperimentReporter& reporter_;
  DecisionLog& log_;
  std::string model_;        ///< whose experiment it is; empty before the first
  std::size_t written_ = 0;  ///< decisions of the running experiment that are in the log
  std::optional<ModelLocation> failed_;  ///< did not load, or cannot challenge
  Status failure_;
  PollThread thread_;
};

}  // namespace muster::registry::serve
