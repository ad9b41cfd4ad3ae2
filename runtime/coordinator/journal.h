#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "runtime/base/result.h"
#include "runtime/coordinator/event.h"

namespace muster::coordinator {

/// Where the events are kept. Adapters: runtime/journal (SQLite) and MemoryJournal. One thread.
class Journal {
 public:
  virtual ~Journal() = default;
  /// Every event, oldest first; a long history does not fit into memory twice. kCorrupt names the first one that
  /// cannot be read.
  virtual Status Replay(const std::function<void(Event)>& each) = 0;
  /// All of them at once.
  Result<std::vector<Event>> Load();
  /// All of `events` or, on an error, none; durable when it returns. kResource for a full disk; kFenced when
  /// a result is not of the trial's live attempt.
  virtual Status Append(const std::vector<Event>& events) = 0;
};

/// Keeps them as text, as a disk would: what was appended survives a crash of everything else.
class MemoryJournal final : public Journal {
 public:
  Status Replay(const std::function<void(Event)>& each) override;
  Status Append(const std::vector<Event>& events) override;
  [[nodiscard]] std::size_t size() const { return rows_.size(); }

 private:
  struct Row {
    UnixMillis unix_ms = 0;
    std::string name, json;
  };
  std::vector<Row> rows_;
};

}  // namespace muster::coordinator
