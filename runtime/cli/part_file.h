#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string_view>

#include "runtime/base/result.h"

namespace muster::cli {

/// A file that grows as PATH.part and becomes PATH when it is whole. One thread.
class PartFile {
 public:
  /// What is in PATH.part beyond `keep` bytes is cut off. kCorrupt when there are fewer;
  /// kConflict while another process has it open; kIo.
  static Result<std::unique_ptr<PartFile>> Open(const std::filesystem::path& path,
                                                std::uint64_t keep);
  ~PartFile();
  PartFile(const PartFile&) = delete;
  PartFile& operator=(const PartFile&) = delete;

  /// kResource when the disk is full.
  Status Append(std::string_view bytes);
  /// What was appended survives a power loss.
  Status Sync();
  /// Sync, and the name: PATH is replaced.
  Status Finish();
  [[nodiscard]] std::uint64_t bytes() const { return bytes_; }

 private:
  PartFile(std::filesystem::path path, int file) : path_(std::move(path)), file_(file) {}

  const std::filesystem::path path_;
  const int file_;
  std::uint64_t bytes_ = 0;
};

}  // namespace muster::cli
