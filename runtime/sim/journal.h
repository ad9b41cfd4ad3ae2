#pragma once

#include <memory>
#include <string>
#include <vector>

#include "runtime/coordinator/journal.h"
#include "runtime/coordinator/state.h"
#include "runtime/journal/sqlite_journal.h"
#include "runtime/sim/disk_vfs.h"
#include "runtime/sim/world.h"

/// Where a simulated coordinator keeps its events, across its lives: in memory, for speed, or in a real
/// SQLite database on a simulated disk.

namespace muster::sim {

class SimJournal {
 public:
  static std::unique_ptr<SimJournal> Make(World& world);
  virtual ~SimJournal() = default;

  /// As a process reads them that starts now. On an error it cannot start.
  virtual Result<std::vector<coordinator::Event>> Load() = 0;
  /// On an error the process must stop; a later Load knows how much was kept.
  virtual Status Append(const std::vector<coordinator::Event>& events) = 0;
  /// The process dies: between two appends, or (`writing` is not empty) anywhere inside that one. With
  /// `power` the machine under it does too.
  virtual void Die(const std::vector<coordinator::Event>& writing, bool power) = 0;
  /// What a process would read that started now, without disturbing the one that lives; holds the tables
  /// beside the events against them.
  virtual std::vector<coordinator::Event> Events() = 0;
};

class MemorySimJournal final : public SimJournal {
 public:
  explicit MemorySimJournal(World& world) : world_(world) {}
  Result<std::vector<coordinator::Event>> Load() override { return journal_.Load(); }
  Status Append(const std::vector<coordinator::Event>& events) override {
    return journal_.Append(events);
  }
  void Die(const std::vector<coordinator::Event>& writing, bool power) override;
  std::vector<coordinator::Event> Events() override;

 private:
  World& world_;
  coordinator::MemoryJournal journal_;
};

/// Keeps a book of what was acknowledged, and holds every Load against it: all of that must be there, then
/// the append that was under way or none of it.
class DiskSimJournal final : public SimJournal {
 public:
  explicit DiskSimJournal(World& world);
  Result<std::vector<coordinator::Event>> Load() override;
  Status Append(const std::vector<coordinator::Event>& events) override;
  void Die(const std::vector<coordinator::Event>& writing, bool power) override;
  std::vector<coordinator::Event> Events() override;

 private:
  /// Draws what goes wrong with the disk in the call that follows.
  void Weather();
  void CheckKept(const std::vector<coordinator::Event>& loaded);
  Result<std::unique_ptr<journal::SqliteJournal>> OpenOn(DiskVfs& vfs) const;

  World& world_;
  Disk disk_;
  DiskVfs vfs_;
  int checkpoint_pages_ = 1000;
  std::unique_ptr<journal::SqliteJournal> open_;
  std::vector<std::string> book_;     ///< the acknowledged events, as text
  std::vector<std::string> writing_;  ///< of an append that did not end well
  std::int64_t commit_changes_ = 8;   ///< of the newest append, to die among them
  Micros lasts_until_ = 0;            ///< the disk is full
};

}  // namespace muster::sim
