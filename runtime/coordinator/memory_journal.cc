#include "runtime/coordinator/journal.h"

namespace muster::coordinator {

Result<std::vector<Event>> MemoryJournal::Load() {
  std::vector<Event> events;
  events.reserve(rows_.size());
  for (const Row& row : rows_) {
    MUSTER_ASSIGN_OR_RETURN(EventBody body, DecodeEvent(row.name, row.json));
    events.push_back({row.unix_ms, std::move(body)});
  }
  return events;
}

Status MemoryJournal::Append(const std::vector<Event>& events) {
  for (const Event& event : events) {
    rows_.push_back({event.unix_ms, std::string(EventName(event.body)), EncodeEvent(event.body)});
  }
  return Ok();
}

}  // namespace muster::coordinator
