#include "runtime/coordinator/journal.h"

namespace muster::coordinator {

Result<std::vector<Event>> Journal::Load() {
  std::vector<Event> events;
  MUSTER_RETURN_IF_ERROR(Replay([&](Event event) { events.push_back(std::move(event)); }));
  return events;
}

Status MemoryJournal::Replay(const std::function<void(Event)>& each) {
  for (const Row& row : rows_) {
    MUSTER_ASSIGN_OR_RETURN(EventBody body, DecodeEvent(row.name, row.json));
    each({row.unix_ms, std::move(body)});
  }
  return Ok();
}

Status MemoryJournal::Append(const std::vector<Event>& events) {
  for (const Event& event : events) {
    rows_.push_back({event.unix_ms, std::string(EventName(event.body)), EncodeEvent(event.body)});
  }
  return Ok();
}

}  // namespace muster::coordinator
