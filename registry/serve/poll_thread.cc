#include "registry/serve/poll_thread.h"

#include "runtime/base/log.h"

namespace muster::registry::serve {

void PollThread::Start() {
  if (thread_.joinable()) return;
  stopping_ = false;
  thread_ = std::thread([this] { Run(); });
}

void PollThread::Run() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    lock.unlock();
    const Status step = step_();
    const std::string message = step.ok() ? "" : step.error().message;
    if (!step.ok() && message != last_message_) LogWarning("serve", message);
    last_message_ = message;
    lock.lock();
    stop_.wait_for(lock, period_, [&] { return stopping_; });
  }
}

void PollThread::Stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  stop_.notify_all();
  if (thread_.joinable()) thread_.join();
}

}  // namespace muster::registry::serve
