#pragma once

#include <atomic>
#include <chrono>
#include <filesystem>
#include <optional>

#include "registry/promoter.h"

namespace muster::server {

/// Runs `<bin_dir>/<program> --export OUT --checkpoint FILE --params FILE` (trainer/README.md), which is a
/// process of its own because the daemon links no LibTorch.
class ProgramExporter final : public registry::ModelExporter {
 public:
  struct Options {
    std::filesystem::path bin_dir;
    std::chrono::seconds timeout{300};
  };
  explicit ProgramExporter(Options options);
  ~ProgramExporter() override;
  ProgramExporter(const ProgramExporter&) = delete;
  ProgramExporter& operator=(const ProgramExporter&) = delete;

  /// kInvalid (it exited with an error or crashed) ends with the last lines that the program wrote to standard
  /// error; kUnavailable when somebody ended it with SIGKILL or SIGTERM, and when the deadline passed or Stop
  /// was called (the program is killed).
  Status Export(const registry::ExportRequest& request) override;

  /// Ends the export under way and every later one at once. From any thread.
  void Stop();

 private:
  [[nodiscard]] std::optional<int> WaitFor(int child) const;

  Options options_;
  std::atomic<bool> stopped_ = false;
  int stop_fd_ = -1;  ///< readable once stopped
};

}  // namespace muster::server
