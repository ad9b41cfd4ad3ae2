#include "runtime/server/pool_logs.h"

#include <algorithm>
#include <chrono>
#include <string_view>
#include <vector>

namespace muster::server {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kLog = ".log";
constexpr std::string_view kFailed = ".failed.log";

struct Log {
  fs::path file;
  fs::file_time_type written;
};

}  // namespace

void KeepFailedLog(const fs::path& folder, const std::string& job) {
  std::error_code absent;  // it printed nothing, or was told before
  fs::rename(folder / (job + std::string(kLog)), folder / (job + std::string(kFailed)), absent);
}

void PruneLogs(const fs::path& folder, fs::file_time_type now) {
  std::vector<Log> logs;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(folder, ignored)) {
    if (!entry.path().filename().string().ends_with(kLog)) continue;
    logs.push_back({entry.path(), entry.last_write_time(ignored)});
  }
  std::ranges::sort(logs, std::greater(), &Log::written);
  const auto recent = now - std::chrono::days(kFailedLogDays);
  for (std::size_t i = kPoolLogsNewest; i < logs.size(); ++i) {
    const bool failed = logs[i].file.filename().string().ends_with(kFailed);
    if (!failed || logs[i].written < recent) fs::remove(logs[i].file, ignored);
  }
}

}  // namespace muster::server
