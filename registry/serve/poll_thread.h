#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <thread>

#include "runtime/base/result.h"

namespace muster::registry::serve {

/// Calls a step again and again in a thread of its own. An error is logged once, until it is another one.
class PollThread {
 public:
  PollThread(std::function<Status()> step, std::chrono::milliseconds period)
      : step_(std::move(step)), period_(period) {}
  ~PollThread() { Stop(); }
  PollThread(const PollThread&) = delete;
  PollThread& operator=(const PollThread&) = delete;

  void Start();
  void Stop();  ///< waits for a step under way

 private:
  void Run();

  const std::function<Status()> step_;
  const std::chrono::milliseconds period_;
  std::string last_message_;
  std::mutex mutex_;  ///< guards stopping_
  std::condition_variable stop_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace muster::registry::serve
