#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

#include "runtime/base/result.h"

namespace muster::server {

/// What `server.json` says about the server that runs or ran last on a home.
struct ServerNote {
  std::string url;
  std::int64_t pid = 0;
  std::string agents;  ///< where agents connect: "tcp://127.0.0.1:40001"
  std::string
      checkpoints;  ///< where nodes elsewhere get theirs: "http://10.0.0.1:40002"; empty: at `url`
};
/// kNotFound when no server ever ran there.
Result<ServerNote> ReadServerNote(const std::filesystem::path& home);
Status WriteServerNote(const std::filesystem::path& home, const ServerNote& note);

/// Holds a home for one server; let go by the destructor or the end of the process, however it ends.
class HomeLock {
 public:
  /// Makes the home when it is missing. kConflict names the server that holds it.
  static Result<std::unique_ptr<HomeLock>> Take(const std::filesystem::path& home);
  ~HomeLock();
  HomeLock(const HomeLock&) = delete;
  HomeLock& operator=(const HomeLock&) = delete;

 private:
  explicit HomeLock(int fd) : fd_(fd) {}
  int fd_;
};

}  // namespace muster::server
