#pragma once

#include <csignal>
#include <initializer_list>

namespace muster {

/// Blocks SIGINT, SIGTERM and others of the caller's choice for the process and waits for one of them. Made before any thread starts, so that
/// all inherit the mask.
class StopSignals {
 public:
  explicit StopSignals(std::initializer_list<int> more = {}) {
    sigemptyset(&set_);
    for (const int signal : more) sigaddset(&set_, signal);
    sigaddset(&set_, SIGINT);
    sigaddset(&set_, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &set_, nullptr);
  }
  /// The signal's number.
  int Wait() {
    int signal = 0;
    sigwait(&set_, &signal);
    return signal;
  }

 private:
  sigset_t set_{};
};

}  // namespace muster
