#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>

#include "registry/promoter.h"
#include "runtime/coordinator/input.h"

namespace muster::server {

/// Runs promotions one after another on a thread of its own: an export and its gates take seconds, which the
/// coordinator must not wait for.
class PromotionWorker {
 public:
  /// A wire::PromotionSummary as JSON.
  using Done = std::function<void(Result<boost::json::object>)>;

  /// `promoter` must outlive it.
  explicit PromotionWorker(registry::Promoter& promoter);
  /// Waits for the promotion under way (ProgramExporter::Stop cuts its export short) and drops those that
  /// wait: they are in the coordinator's outbox.
  ~PromotionWorker();

  void Promote(coordinator::PromoteModel command, Done done);

 private:
  struct Job {
    coordinator::PromoteModel command;
    Done done;
  };
  void Loop();
  void RunOne(const Job& job);

  registry::Promoter& promoter_;
  std::mutex mutex_;  // guards queue_ and stopping_
  std::condition_variable wake_;
  std::deque<Job> queue_;
  bool stopping_ = false;
  std::thread thread_;
};

/// What the promoter is asked for. kInvalid when the command's spec or parameters cannot be read, kUnsupported
/// for a trial that has no program of ours to export with, or no checkpoint.
Result<registry::Candidate> CandidateOf(const coordinator::PromoteModel& command);

}  // namespace muster::server
