#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "tracker/run_event.h"

/// The last events of all runs in memory, numbered, so that whoever watches some runs can go on where it was.
/// Bounded: the oldest events go first, and a reader is told that it missed some. Any thread.

namespace muster::tracker {

class EventLog {
 public:
  static constexpr std::size_t kBytesMax = 16 << 20;
  /// Runs whose events have gone but whose gap is still known one by one.
  static constexpr std::size_t kRunsMax = 4096;

  /// One who waits for events of some runs.
  class Listener {
   public:
    virtual ~Listener() = default;
    /// Called with the log's lock held: must neither block nor call the log.
    virtual void OnNews() = 0;
  };

  struct Entry {
    std::uint64_t id = 0;  ///< 1, 2, ... over all runs
    RunEvent event;
    std::size_t bytes = 0;  ///< of memory, about
  };
  struct Page {
    std::vector<std::shared_ptr<const Entry>> entries;
    std::uint64_t after = 0;  ///< where to read on
    bool lost =
        false;  ///< events of these runs between the asked place and the first entry are gone
  };

  explicit EventLog(std::size_t bytes_max = kBytesMax) : bytes_max_(bytes_max) {}

  void Add(RunEvent event);
  /// The id of the last event, 0 before the first.
  [[nodiscard]] std::uint64_t last_id() const;
  /// Events of these runs with an id greater than `after`, oldest first, at most `most` of them.
  [[nodiscard]] Page Read(const std::set<std::string>& runs, std::uint64_t after,
                          std::size_t most) const;

  /// `listener` hears of every event of these runs from now on.
  void Listen(const std::set<std::string>& runs, Listener& listener);
  /// When this returns, it hears of nothing any more.
  void Unlisten(const std::set<std::string>& runs, Listener& listener);

 private:
  struct Run {
    std::deque<std::shared_ptr<const Entry>> entries;
    std::uint64_t dropped = 0;  ///< the last id of this run that is gone
    std::vector<Listener*> listeners;
  };
  void DropOldest();
  void ForgetIfEmpty(const std::string& run_id);

  const std::size_t bytes_max_;
  mutable std::mutex mutex_;  // guards what follows
  std::unordered_map<std::string, Run> runs_;
  std::deque<std::shared_ptr<const Entry>> order_;
  std::size_t bytes_ = 0;
  std::uint64_t last_ = 0;
  std::uint64_t forgotten_ = 0;  ///< up to here a run that is not in runs_ may have lost events
};

}  // namespace muster::tracker
