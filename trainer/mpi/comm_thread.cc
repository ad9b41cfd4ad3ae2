#include "trainer/mpi/comm_thread.h"

#include <sys/prctl.h>

#include <algorithm>
#include <array>
#include <utility>

namespace muster::trainer::mpi {
namespace {

using std::chrono::steady_clock;

std::string Words(int code) {
  char text[MPI_MAX_ERROR_STRING] = {};
  int length = 0;
  MPI_Error_string(code, text, &length);
  return {text, static_cast<std::size_t>(length)};
}

/// How the thread passes its time between two tests of a request.
class Waiting {
 public:
  /// After a test that began at `tested`. Gives the core away for a moment; answers how long this wait has taken.
  steady_clock::duration Pause(steady_clock::time_point tested) {
    const auto before = steady_clock::now();
    // Data move within MPI_Test alone: while one finds some to move, the next will.
    if (before - tested > kMoves) {
      pause_ = kPauseMin;
      std::this_thread::yield();
    } else if (!crowded_ && before - start_ < kYieldFor) {
      std::this_thread::yield();
      crowded_ = steady_clock::now() - before > kYieldsWithin;
    } else {
      std::this_thread::sleep_for(pause_);
      pause_ = std::min(kPauseMax, pause_ * 2);
    }
    return before - start_;
  }

 private:
  static constexpr std::chrono::microseconds kMoves{10};
  static constexpr std::chrono::microseconds kYieldFor{2000};
  static constexpr std::chrono::microseconds kYieldsWithin{50};
  static constexpr std::chrono::microseconds kPauseMin{5};
  static constexpr std::chrono::microseconds kPauseMax{100};

  steady_clock::time_point start_ = steady_clock::now();
  bool crowded_ = false;
  std::chrono::microseconds pause_ = kPauseMin;
};

Result<std::pair<int, int>> StartMpi() {
  int provided = MPI_THREAD_SINGLE;
  int code = MPI_Init_thread(nullptr, nullptr, MPI_THREAD_FUNNELED, &provided);
  if (code != MPI_SUCCESS) return Unavailable("MPI does not start: " + Words(code));
  if (provided < MPI_THREAD_FUNNELED) {
    return Unavailable("this MPI library does not work beside other threads");
  }
  MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
  std::pair<int, int> world;
  MPI_Comm_rank(MPI_COMM_WORLD, &world.first);
  MPI_Comm_size(MPI_COMM_WORLD, &world.second);
  return world;
}

}  // namespace

CommThread::~CommThread() {
  if (!thread_.joinable()) return;
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  changed_.notify_one();
  thread_.join();
}

Result<std::pair<int, int>> CommThread::Start() {
  std::promise<Result<std::pair<int, int>>> started;
  auto answer = started.get_future();
  thread_ =
      std::thread([this, started = std::move(started)]() mutable { Run(std::move(started)); });
  return answer.get();
}

void CommThread::Queue(Operation operation) {
  {
    const std::lock_guard lock(mutex_);
    queue_.push_back(std::move(operation));
  }
  changed_.notify_one();
}

void CommThread::Run(std::promise<Result<std::pair<int, int>>> started) {
  // The shortest pauses are meant: the system's would add 50 us to each.
  prctl(PR_SET_TIMERSLACK, 1000);
  auto world = StartMpi();
  if (world.ok()) {
    world_ = *world;
  } else {
    broken_ = world.error();
  }
  const bool usable = world.ok();
  started.set_value(std::move(world));
  for (;;) {
    Operation operation;
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [&] { return ending_ || !queue_.empty(); });
      if (queue_.empty()) break;
      operation = std::move(queue_.front());
      queue_.pop_front();
    }
    if (broken_.ok()) broken_ = Execute(operation);
    operation.done(broken_);
  }
  // MPI_Finalize would wait for peers that a failed collective may have left behind.
  if (usable && broken_.ok()) MPI_Finalize();
}

Status CommThread::Execute(const Operation& operation) {
  if (++number_ <= checked_) MUSTER_RETURN_IF_ERROR(CheckSame(operation.what));
  try {
    if (operation.before) operation.before();
    for (const auto& part : operation.parts) {
      MPI_Request request = MPI_REQUEST_NULL;
      const int started = part(&request);
      MUSTER_RETURN_IF_ERROR(Finish(started, request, operation.what));
    }
    if (operation.after) operation.after();
  } catch (const std::exception& error) {  // LibTorch's: no memory
    return Internal(OnThisRank(operation.what) + ": " + error.what());
  }
  return Ok();
}

/// Every rank's description goes to all, so that all refuse alike.
Status CommThread::CheckSame(const std::string& what) {
  using Text = std::array<char, 128>;
  std::vector<Text> all(static_cast<std::size_t>(world_.second));
  Text mine{};
  what.copy(mine.data(), mine.size() - 1);
  MPI_Request request = MPI_REQUEST_NULL;
  const int started = MPI_Iallgather(mine.data(), mine.size(), MPI_CHAR, all.data(), mine.size(),
                                     MPI_CHAR, MPI_COMM_WORLD, &request);
  MUSTER_RETURN_IF_ERROR(Finish(started, request, "comparing " + what));
  for (std::size_t rank = 1; rank < all.size(); ++rank) {
    if (all[rank] == all[0]) continue;
    return Invalid("the ranks do not do the same: collective " + std::to_string(number_) +
                   " is on rank 0 " + all[0].data() + ", on rank " + std::to_string(rank) + " " +
                   all[rank].data());
  }
  return Ok();
}

std::string CommThread::OnThisRank(const std::string& what) const {
  return "collective " + std::to_string(number_) + " (" + what + ") on rank " +
         std::to_string(world_.first);
}

Status CommThread::Finish(int started, MPI_Request& request, const std::string& what) {
  if (started != MPI_SUCCESS) return Unavailable(OnThisRank(what) + ": " + Words(started));
  Waiting waiting;
  for (;;) {
    int finished = 0;
    const auto tested = steady_clock::now();
    const int code = MPI_Test(&request, &finished, MPI_STATUS_IGNORE);
    if (code != MPI_SUCCESS) return Unavailable(OnThisRank(what) + ": " + Words(code));
    if (finished != 0) return Ok();
    if (waiting.Pause(tested) > timeout_) {
      return Unavailable(OnThisRank(what) + ": not every rank joined within " +
                         std::to_string(timeout_.count() / 1000) + " s");
    }
  }
}

}  // namespace muster::trainer::mpi
