#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "runtime/coordinator/journal.h"

namespace muster::server {

/// Commits batches of events in their order, on a thread of its own: the next batch is made while the last one
/// is on its way to the disk. After a batch that failed nothing more is committed, since what follows was made
/// on top of it; it gets the same error.
class EventWriter {
 public:
  /// `committed` is called on the writer's thread after each batch. The journal must outlive this object.
  EventWriter(coordinator::Journal& journal, std::function<void(Status)> committed);
  /// Commits what was given, then ends.
  ~EventWriter();
  EventWriter(const EventWriter&) = delete;
  EventWriter& operator=(const EventWriter&) = delete;

  /// Nobody may touch `events` until `committed` was called for them.
  void Append(const std::vector<coordinator::Event>& events);

 private:
  void Loop();

  coordinator::Journal& journal_;
  std::function<void(Status)> committed_;
  std::mutex mutex_;  // guards batches_ and stopping_
  std::condition_variable wake_;
  std::deque<const std::vector<coordinator::Event>*> batches_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace muster::server
