#pragma once

#include <functional>
#include <memory>
#include <string>

#include "runtime/sim/disk.h"

/// SQLite on a simulated disk. Shared memory (WAL's index) belongs to the process that maps it, so it goes
/// with a crash: when the last connection closes. Connections of any threads may be open at once.

namespace muster::sim {

class DiskVfs {
 public:
  /// `disk` outlives it, and it outlives every connection opened with its name.
  explicit DiskVfs(Disk& disk);
  DiskVfs(const DiskVfs&) = delete;
  DiskVfs& operator=(const DiskVfs&) = delete;
  ~DiskVfs();
  /// For sqlite::OpenOptions::vfs.
  [[nodiscard]] const std::string& name() const;
  /// Lets `change` at the disk while connections of other threads may be at work: between two of their calls.
  void Between(const std::function<void(Disk&)>& change);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace muster::sim
