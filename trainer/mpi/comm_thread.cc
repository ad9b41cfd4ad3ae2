#include "trainer/mpi/comm_thread.h"

#include <algorithm>
#include <utility>

namespace muster::trainer::mpi {
namespace {

std::string Words(int code) {
  char text[MPI_MAX_ERROR_STRING] = {};
  int length = 0;
  MPI_Error_string(code, text, &length);
  return {text, static_cast<std::size_t>(length)};
}

/// Short collectives end within the first tests; a longer wait gives the core away.
constexpr int kTestsBeforePausing = 200;
constexpr std::chrono::microseconds kPauseMin{5};
constexpr std::chrono::microseconds kPauseMax{100};

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
  auto world = StartMpi();
  const bool usable = world.ok();
  if (!usable) broken_ = world.error();
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
    Execute(operation);
  }
  // MPI_Finalize would wait for peers that a failed collective may have left behind.
  if (usable && broken_.ok()) MPI_Finalize();
}

void CommThread::Execute(Operation& operation) {
  if (broken_.ok()) {
    MPI_Request request = MPI_REQUEST_NULL;
    const int code = operation.start(&request);
    if (code != MPI_SUCCESS) {
      broken_ = Unavailable(operation.what + ": " + Words(code));
    } else {
      broken_ = WaitFor(request, operation.what);
    }
  }
  operation.done(broken_);
}

Status CommThread::WaitFor(MPI_Request& request, const std::string& what) {
  const auto start = std::chrono::steady_clock::now();
  std::chrono::microseconds pause = kPauseMin;
  for (int tests = 0;; ++tests) {
    int finished = 0;
    const int code = MPI_Test(&request, &finished, MPI_STATUS_IGNORE);
    if (code != MPI_SUCCESS) return Unavailable(what + ": " + Words(code));
    if (finished != 0) return Ok();
    if (tests < kTestsBeforePausing) {
      std::this_thread::yield();
      continue;
    }
    if (std::chrono::steady_clock::now() - start > timeout_) {
      return Unavailable(what + ": not every rank joined within " +
                         std::to_string(timeout_.count() / 1000) + " s");
    }
    std::this_thread::sleep_for(pause);
    pause = std::min(kPauseMax, pause * 2);
  }
}

}  // namespace muster::trainer::mpi
