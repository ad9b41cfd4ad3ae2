#pragma once

#include <string_view>

/// One line an event on standard error: time, level, component, text. Safe from any thread; a line
/// is written whole.

namespace muster {

enum class LogLevel { kDebug, kInfo, kWarning, kError };

/// Lines below `level` are dropped; kInfo at start. Called from main only.
void SetLogLevel(LogLevel level);

/// `component` is a short lower-case word ("coordinator", "http").
void Log(LogLevel level, std::string_view component, std::string_view text);

inline void LogInfo(std::string_view component, std::string_view text) {
  Log(LogLevel::kInfo, component, text);
}
inline void LogWarning(std::string_view component, std::string_view text) {
  Log(LogLevel::kWarning, component, text);
}
inline void LogError(std::string_view component, std::string_view text) {
  Log(LogLevel::kError, component, text);
}

}  // namespace muster
