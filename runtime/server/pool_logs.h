#pragma once

#include <cstddef>
#include <filesystem>
#include <string>

namespace muster::server {

/// Output of allocations' jobs: <id>.log in <home>/pools/logs, and <id>.failed.log once such a job has failed.

/// The job has failed: its output is of interest for longer.
void KeepFailedLog(const std::filesystem::path& folder, const std::string& job);

inline constexpr std::size_t kPoolLogsNewest = 200;
inline constexpr int kFailedLogDays = 7;

/// Deletes all but the newest of them and those of jobs that failed of late.
void PruneLogs(const std::filesystem::path& folder, std::filesystem::file_time_type now);

}  // namespace muster::server
