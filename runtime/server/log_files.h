#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include "runtime/base/ids.h"
#include "runtime/base/result.h"

namespace muster::server {

/// Ranks' output on disk, appended by offset: <root>/<trial id>/<epoch>.<rank>.<stream>. What was appended
/// survives the death of this process (not a power loss: logs are not worth an fsync each). One thread.
class LogFiles {
 public:
  explicit LogFiles(std::filesystem::path root) : root_(std::move(root)) {}

  [[nodiscard]] std::filesystem::path PathOf(const TrialId& trial, AttemptEpoch epoch,
                                             const std::string& log) const;
  /// Writes `bytes` at `begin`, as far as they are not there yet; a chunk beyond the end is dropped.
  /// Answers how many bytes the file has then. kResource for a full disk, kIo.
  Result<std::int64_t> Append(const std::filesystem::path& file, std::int64_t begin,
                              std::string_view bytes);

 private:
  std::filesystem::path root_;
};

}  // namespace muster::server
