#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>

#include "runtime/agent/agent.h"
#include "runtime/base/result.h"

/// Reads of spools that others append to, by offset.

namespace muster::cluster::local {

/// Answers a ReadRecords from the spool; nothing when there is no whole line beyond its `begin`.
std::optional<agent::RecordsRead> ReadRecordSpool(const std::filesystem::path& file,
                                                  const agent::ReadRecords& wanted);
/// Answers a ReadLog; nothing when there is no byte beyond its `begin`, or no such file.
std::optional<agent::LogRead> ReadLogSpool(const std::filesystem::path& file,
                                           const agent::ReadLog& wanted);
/// Bytes of whole lines; 0 for a file that does not exist. kIo when it cannot be read now.
Result<std::int64_t> WholeLineBytes(const std::filesystem::path& file);
/// Bytes; 0 for a file that does not exist.
std::int64_t FileBytes(const std::filesystem::path& file);

}  // namespace muster::cluster::local
