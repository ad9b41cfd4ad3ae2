#pragma once

#include <filesystem>
#include <string>
#include <vector>

/// fsync of this program, seen from a test: what linked muster_sync_calls asked the kernel for, and with which answer.

namespace muster::test {

class SyncCalls {
 public:
  SyncCalls();  ///< from here on
  ~SyncCalls();
  SyncCalls(const SyncCalls&) = delete;
  SyncCalls& operator=(const SyncCalls&) = delete;

  /// Calls on folders end with this errno, as on a file system that cannot; 0: the kernel's answer.
  static void FailOnFolders(int error_number);

  /// The process ends, as by kill -9, in the place of the call with this number, counted from 1; 0: it does not.
  static void DieAt(int call);

  /// What of `root` and below a power loss may take, though it is there: a file (an empty one is nobody's loss) whose
  /// bytes were not synced, an entry whose folder was not synced since it has its name.
  static std::vector<std::string> Undurable(const std::filesystem::path& root);
};

}  // namespace muster::test
