#pragma once

#include <chrono>
#include <filesystem>

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
  explicit ProgramExporter(Options options) : options_(std::move(options)) {}

  /// kInvalid ends with the last lines that the program wrote to standard error; kUnavailable when the
  /// deadline passed (the program is killed).
  Status Export(const registry::ExportRequest& request) override;

 private:
  Options options_;
};

}  // namespace muster::server
