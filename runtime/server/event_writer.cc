#include "runtime/server/event_writer.h"

#include <utility>

namespace muster::server {

EventWriter::EventWriter(coordinator::Journal& journal, std::function<void(Status)> committed)
    : journal_(journal), committed_(std::move(committed)), thread_([this] { Loop(); }) {}

EventWriter::~EventWriter() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

void EventWriter::Append(const std::vector<coordinator::Event>& events) {
  {
    const std::lock_guard lock(mutex_);
    batches_.push_back(&events);
  }
  wake_.notify_one();
}

void EventWriter::Loop() {
  Status status;
  for (;;) {
    const std::vector<coordinator::Event>* batch = nullptr;
    {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [this] { return stopping_ || !batches_.empty(); });
      if (batches_.empty()) return;
      batch = batches_.front();
      batches_.pop_front();
    }
    if (status.ok()) status = journal_.Append(*batch);
    committed_(status);
  }
}

}  // namespace muster::server
