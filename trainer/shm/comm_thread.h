#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>

#include "runtime/base/result.h"

/// Runs a rank's collectives one after another, in the order in which they were queued: on a thread of its own,
/// so that backward goes on meanwhile, or on a thread that waits for one of them, which spares two
/// changes of threads.

namespace muster::trainer::shm {

/// A collective. Both functions are called once, one after the other, on one of those threads.
struct Task {
  std::function<Status(bool spin)> run;  ///< `spin`: the thread has nothing else to do
  std::function<void(const Status&)> done;
  bool finished = false;  ///< guarded by the CommThread
};

class CommThread {
 public:
  CommThread();
  ~CommThread() { Stop(); }
  CommThread(const CommThread&) = delete;
  CommThread& operator=(const CommThread&) = delete;

  /// The next two from any thread.
  void Queue(std::shared_ptr<Task> task);
  /// Returns when `task`, which was queued, has finished.
  void Finish(const Task& task);

  /// Waits for what is queued; nothing may be queued afterwards. By one thread.
  void Stop();

 private:
  void Work();
  void RunFirst(std::unique_lock<std::mutex>& lock, bool spin);

  std::mutex mutex_;  ///< guards all below and Task::finished
  std::condition_variable changed_;
  std::deque<std::shared_ptr<Task>> queue_;
  bool running_ = false;  ///< a thread runs a task, which has left the queue
  bool ending_ = false;
  std::thread thread_;
};

}  // namespace muster::trainer::shm
