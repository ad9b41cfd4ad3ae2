#pragma once

#include <mpi.h>

#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <future>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "runtime/base/result.h"

/// The one thread that speaks MPI. Needs no LibTorch.
///
/// Between two MPI_Test it gives its core away: by yielding while that costs nothing and the wait is short, which finds
/// the end of a small collective within a microsecond or so; by pauses of 5 to 100 us as soon as a yield shows
/// that others want the core, or after 2 ms. Ranks that share a core do not spin each other away.

namespace muster::trainer::mpi {

/// One collective; all its functions are called on the thread.
struct Operation {
  std::string what;              ///< "allreduce of 4096 Float"; the same on every rank
  std::function<void()> before;  ///< may be empty, may throw
  /// Each begins a part (MPI_I...), one after the other.
  std::vector<std::function<int(MPI_Request*)>> parts;
  std::function<void()> after;              ///< may be empty, may throw
  std::function<void(const Status&)> done;  ///< hears how it ended
};

class CommThread {
 public:
  /// `timeout` of a part; the first `checked` operations are compared with those of the other ranks.
  CommThread(std::chrono::milliseconds timeout, std::int64_t checked)
      : timeout_(timeout), checked_(checked) {}
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
  Status Execute(const Operation& operation);
  Status CheckSame(const std::string& what);
  Status Finish(int started, MPI_Request& request, const std::string& what);
  [[nodiscard]] std::string OnThisRank(const std::string& what) const;

  std::chrono::milliseconds timeout_;
  std::int64_t checked_;
  std::thread thread_;
  std::mutex mutex_;  ///< guards queue_ and ending_
  std::condition_variable changed_;
  std::deque<Operation> queue_;
  bool ending_ = false;
  std::pair<int, int> world_;  ///< from here on the thread's: rank and size
  std::int64_t number_ = 0;    ///< of the operation
  Status broken_;              ///< the first failure
};

}  // namespace muster::trainer::mpi
