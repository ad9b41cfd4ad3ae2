#pragma once

#include <memory>
#include <string>

#include "runtime/sim/disk.h"

/// SQLite on a simulated disk. Shared memory (WAL's index) belongs to the process that maps it, so it goes
/// with a crash. One connection at a time.

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

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace muster::sim
