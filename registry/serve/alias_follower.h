#pragma once

#include <chrono>
#include <optional>

#include "registry/serve/model_server.h"
#include "registry/serve/model_source.h"
#include "registry/serve/poll_thread.h"

namespace muster::registry::serve {

struct FollowOptions {
  std::chrono::milliseconds poll{500};
  std::chrono::milliseconds longest_wait{
      30'000};  ///< between attempts at a version that fails to load
};

/// Keeps a server on the version that a source names: polls, loads what is new, keeps the old version when
/// the source or the load fails, and tries again, ever more slowly while the same version fails.
class AliasFollower {
 public:
  /// All must outlive the follower.
  AliasFollower(ModelSource& source, ModelServer& server, FollowOptions options = {},
                const Clock& clock = SystemClock());
  AliasFollower(const AliasFollower&) = delete;
  AliasFollower& operator=(const AliasFollower&) = delete;

  /// One poll. Ok when the version that the source names is the one served. For the first load, which a
  /// main wants to see fail, and for tests; not while the thread runs.
  Status Step();
  /// Not while the thread runs either.
  [[nodiscard]] const std::optional<ModelLocation>& serving() const { return serving_; }

  /// Steps in a thread of its own until Stop.
  void Start() { thread_.Start(); }
  void Stop() { thread_.Stop(); }

 private:
  ModelSource& source_;
  ModelServer& server_;
  const FollowOptions options_;
  const Clock& clock_;
  std::optional<ModelLocation> serving_;

  /// The version that does not load, why, and when it is tried again.
  struct Failing {
    ModelLocation location;
    Error error;
    std::chrono::milliseconds wait;
    MonotonicTime retry_at;
  };
  std::optional<Failing> failing_;
  PollThread thread_;
};

}  // namespace muster::registry::serve
