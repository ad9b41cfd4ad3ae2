#include "tracker/event_log.h"

#include <algorithm>
#include <utility>

#include "tracker/run_store.h"

namespace muster::tracker {

namespace {

std::size_t BytesOf(const RunEvent& event) {
  std::size_t bytes = sizeof(EventLog::Entry) + event.run_id.value.size();
  if (const auto* logged = std::get_if<NewPoints>(&event.body)) {
    for (const Metric& point : *logged->points) bytes += sizeof(Metric) + point.key.size();
  } else if (std::holds_alternative<RunChanged>(event.body)) {
    bytes += sizeof(RunInfo);
  } else if (const auto* log = std::get_if<LogText>(&event.body)) {
    bytes += log->text.size();
  }
  return bytes;
}

}  // namespace

void EventLog::Add(RunEvent event) {
  auto entry = std::make_shared<Entry>();
  entry->bytes = BytesOf(event);
  entry->event = std::move(event);
  const std::lock_guard lock(mutex_);
  entry->id = ++last_;
  Run& run = runs_[entry->event.run_id.value];
  run.entries.push_back(entry);
  bytes_ += entry->bytes;
  order_.push_back(std::move(entry));
  for (Listener* listener : run.listeners) listener->OnNews();
  // The newest stays, however large it is.
  while (bytes_ > bytes_max_ && order_.size() > 1) DropOldest();
}

void EventLog::DropOldest() {
  const auto entry = std::move(order_.front());
  order_.pop_front();
  bytes_ -= entry->bytes;
  Run& run = runs_.at(entry->event.run_id.value);
  run.entries.pop_front();  // a run's first is the oldest of its own
  run.dropped = entry->id;
  ForgetIfEmpty(entry->event.run_id.value);
}

/// Keeps the table small; what is forgotten of one run counts as a gap of every run that is not in it.
void EventLog::ForgetIfEmpty(const std::string& run_id) {
  const auto found = runs_.find(run_id);
  if (found == runs_.end()) return;
  const Run& run = found->second;
  if (!run.entries.empty() || !run.listeners.empty()) return;
  if (run.dropped != 0 && runs_.size() <= kRunsMax) return;
  forgotten_ = std::max(forgotten_, run.dropped);
  runs_.erase(found);
}

std::uint64_t EventLog::last_id() const {
  const std::lock_guard lock(mutex_);
  return last_;
}

EventLog::Page EventLog::Read(const std::set<std::string>& runs, std::uint64_t after,
                              std::size_t most) const {
  Page page;
  const std::lock_guard lock(mutex_);
  for (const std::string& run_id : runs) {
    const auto found = runs_.find(run_id);
    if (found == runs_.end()) {
      page.lost = page.lost || after < forgotten_;
      continue;
    }
    const auto& [entries, dropped, listeners] = found->second;
    page.lost = page.lost || after < dropped;
    auto entry =
        std::ranges::upper_bound(entries, after, {}, [](const auto& other) { return other->id; });
    for (std::size_t taken = 0; entry != entries.end() && taken < most; ++entry, ++taken) {
      page.entries.push_back(*entry);
    }
  }
  std::ranges::sort(page.entries, {}, [](const auto& entry) { return entry->id; });
  if (page.entries.size() > most) page.entries.resize(most);
  // All of these runs' events up to the last one of the log were read, unless the page is full.
  page.after = page.entries.size() == most && most > 0 ? page.entries.back()->id : last_;
  return page;
}

void EventLog::Listen(const std::set<std::string>& runs, Listener& listener) {
  const std::lock_guard lock(mutex_);
  for (const std::string& run_id : runs) {
    const auto [run, is_new] = runs_.try_emplace(run_id);
    if (is_new) run->second.dropped = forgotten_;
    run->second.listeners.push_back(&listener);
  }
}

void EventLog::Unlisten(const std::set<std::string>& runs, Listener& listener) {
  const std::lock_guard lock(mutex_);
  for (const std::string& run_id : runs) {
    const auto found = runs_.find(run_id);
    if (found == runs_.end()) continue;
    std::erase(found->second.listeners, &listener);
    ForgetIfEmpty(run_id);
  }
}

}  // namespace muster::tracker
