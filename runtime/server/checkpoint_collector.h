#pragma once

#include <boost/json/object.hpp>
#include <condition_variable>
#include <deque>
#include <filesystem>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "runtime/base/result.h"

namespace muster::server {

/// Deletes checkpoint folders that the coordinator has dropped (runtime/coordinator/checkpoints.h), on a thread of its
/// own: of a large one on a file server that takes seconds. A folder that is gone is deleted; one that was deleted in
/// part when the server died is deleted when the coordinator asks again.
class CheckpointCollector {
 public:
  using Done = std::function<void(Result<boost::json::object>)>;

  explicit CheckpointCollector(std::filesystem::path root);
  /// Finishes the folder under way and drops what waits: it is in the coordinator's outbox.
  ~CheckpointCollector();
  CheckpointCollector(const CheckpointCollector&) = delete;
  CheckpointCollector& operator=(const CheckpointCollector&) = delete;

  /// Folders are named below the root. kIo: something is left. kInvalid for a name that leads elsewhere; nothing is
  /// deleted then.
  void Drop(std::vector<std::string> folders, Done done);
  /// What is there, two levels below the root.
  [[nodiscard]] std::vector<std::string> Folders() const;

 private:
  struct Job {
    std::vector<std::string> folders;
    Done done;
  };
  void Loop();
  [[nodiscard]] Status Delete(const std::vector<std::string>& folders) const;

  const std::filesystem::path root_;
  std::mutex mutex_;  // guards jobs_ and stopping_
  std::condition_variable wake_;
  std::deque<Job> jobs_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace muster::server
