#include "trainer/shm/comm_thread.h"

#include <utility>

namespace muster::trainer::shm {

CommThread::CommThread() : thread_([this] { Work(); }) {}

void CommThread::Stop() {
  if (!thread_.joinable()) return;
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void CommThread::Queue(std::shared_ptr<Task> task) {
  {
    const std::lock_guard lock(mutex_);
    queue_.push_back(std::move(task));
  }
  changed_.notify_all();
}

void CommThread::Finish(const Task& task) {
  std::unique_lock lock(mutex_);
  while (!task.finished) {
    if (!running_ && !queue_.empty()) {
      RunFirst(lock, /*spin=*/true);
    } else {
      changed_.wait(lock);
    }
  }
}

void CommThread::Work() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [&] { return !running_ && (ending_ || !queue_.empty()); });
    if (queue_.empty()) return;
    RunFirst(lock, /*spin=*/false);
  }
}

void CommThread::RunFirst(std::unique_lock<std::mutex>& lock, bool spin) {
  running_ = true;
  const std::shared_ptr<Task> task = std::move(queue_.front());
  queue_.pop_front();
  lock.unlock();
  task->done(task->run(spin));
  // They hold tensors, and the handle that holds the task.
  task->run = nullptr;
  task->done = nullptr;
  lock.lock();
  running_ = false;
  task->finished = true;
  changed_.notify_all();
}

}  // namespace muster::trainer::shm
