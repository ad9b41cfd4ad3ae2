#pragma once

#include <boost/json/object.hpp>
#include <filesystem>
#include <mutex>
#include <set>
#include <string>
#include <utility>

#include "runtime/base/result.h"

namespace muster::registry::serve {

/// What experiments decided, a JSON object a line, on disk when Append returns: what survives the server, and what an
/// auditor reads. Lines: {"time", "state", "share", "reason", "model", "champion", "challenger", "mode"}. Any thread.
class DecisionLog {
 public:
  DecisionLog() = default;  ///< keeps nothing on disk
  /// Reads what is there; a last line that a crash cut off is dropped. kCorrupt names a line that is none of its own.
  static Result<DecisionLog> Open(const std::filesystem::path& file);
  DecisionLog(DecisionLog&& other) noexcept;
  DecisionLog& operator=(DecisionLog&&) = delete;
  ~DecisionLog();

  Status Append(const boost::json::object& decision);
  /// Whether that version's latest decision sent it back.
  [[nodiscard]] bool WasSentBack(const std::string& model, const std::string& version) const;
  /// Versions that were sent back may come again; a line for each says so, {"time", "state": "forgotten", "model", "challenger"}.
  Status Forget();

 private:
  Status Take(const boost::json::object& decision);
  Status Write(const boost::json::object& line);

  mutable std::mutex mutex_;  ///< guards what follows
  int file_ = -1;
  std::set<std::pair<std::string, std::string>> sent_back_;  ///< models with versions
};

}  // namespace muster::registry::serve
