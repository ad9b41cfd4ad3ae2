#pragma once

#include <mpi.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <future>
#include <mutex>
#include <string>
#include <thread>

#include "runtime/base/result.h"

/// The one thread that speaks MPI. Needs no LibTorch.

namespace muster::trainer::mpi {

/// One collective: `start` begins it (MPI_I...), `done` hears how it ended, both on the thread.
struct Operation {
  std::string what;  ///< "allreduce of 4096 bytes"
  std::function<int(MPI_Request*)> start;
  std::function<void(const Status&)> done;
};

class CommThread {
 public:
  explicit CommThread(std::chrono::milliseconds timeout) : timeout_(timeout) {}
  /// Waits for what is queued, then ends MPI.
  ~CommThread();
  CommThread(const CommThread&) = delete;
  CommThread& operator=(const CommThread&) = delete;

  /// Starts the thread and MPI; answers {rank, size}.
  Result<std::pair<int, int>> Start();
  /// From any thread. After a failure `done` hears that failure at once.
  void Queue(Operation operation);

 private:
  void Run(std::promise<Result<std::pair<int, int>>> started);
  void Execute(Operation& operation);
  Status WaitFor(MPI_Request& request, const std::string& what);

  std::chrono::milliseconds timeout_;
  std::thread thread_;
  std::mutex mutex_;  ///< guards queue_ and ending_
  std::condition_variable changed_;
  std::deque<Operation> queue_;
  bool ending_ = false;
  Status broken_;  ///< of the thread: the first failure
};

}  // namespace muster::trainer::mpi
