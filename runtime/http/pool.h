#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace muster::http::internal {

/// A few threads for handlers that wait for the disk, so that the connections' threads do not.
class Pool {
 public:
  using Task = std::function<void()>;
  /// As many may wait; each is one connection's request.
  static constexpr std::size_t kMostQueued = 1024;

  explicit Pool(int threads);
  ~Pool() { Stop(); }

  /// Any thread: runs `task`, which does not throw, on one of the pool's. False, and the task dropped, when
  /// the queue is full or the pool has stopped.
  bool Post(Task task);
  /// Drops what waits and returns when what runs has ended. May be called again; not from a task.
  void Stop();

 private:
  void Run();

  std::mutex mutex_;  // guards queue_ and stopping_
  std::condition_variable wake_;
  std::deque<Task> queue_;
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace muster::http::internal
