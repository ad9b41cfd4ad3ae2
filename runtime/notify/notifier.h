#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "registry/monitor/notice.h"
#include "runtime/base/clock.h"

namespace muster::notify {

struct NotifierOptions {
  std::vector<registry::monitor::Sink> sinks;
  /// POST of a body to a trigger of the muster server; kUnavailable is tried again.
  std::function<Status(const std::string& trigger, const boost::json::object& body)> signal;
  std::chrono::milliseconds first_pause{
      1'000};  ///< before the second try; each is twice as long as the one before
  int tries = 8;
  std::chrono::milliseconds timeout{10'000};  ///< of one try
  std::size_t waiting_most = 1'000;  ///< beyond it the oldest are dropped, and a line is logged
};

/// Tells sinks of alerts, on a thread of its own, each sink in order and by itself; what cannot be told is tried again, then
/// logged. What waits when the process ends is lost: alerts that still hold are raised anew. Any thread.
class Notifier {
 public:
  explicit Notifier(NotifierOptions options);
  /// Waits for the try under way.
  ~Notifier();
  Notifier(const Notifier&) = delete;
  Notifier& operator=(const Notifier&) = delete;

  void Notify(const registry::monitor::Notice& notice);
  /// Until nothing waits, or the time is over: for mains that end.
  bool Flush(std::chrono::milliseconds most);

 private:
  struct Job {
    std::size_t sink = 0;
    registry::monitor::Notice notice;
    int tries = 0;
  };
  void Run();
  Status Try(const Job& job) const;

  const NotifierOptions options_;
  std::mutex mutex_;  ///< guards what follows
  std::condition_variable changed_;
  std::multimap<MonotonicTime, Job> jobs_;  ///< by when they are due
  bool busy_ = false, stopping_ = false;
  std::thread thread_;
};

/// One try each. kUnavailable may pass by itself.
Status PostWebhook(const registry::monitor::WebhookSink& sink,
                   const registry::monitor::Notice& notice, std::chrono::milliseconds timeout);
Status RunCommand(const registry::monitor::CommandSink& sink,
                  const registry::monitor::Notice& notice, std::chrono::milliseconds timeout);
Status SendEmail(const registry::monitor::EmailSink& sink, const registry::monitor::Notice& notice,
                 std::chrono::milliseconds timeout);

}  // namespace muster::notify
