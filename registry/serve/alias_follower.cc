#include "registry/serve/alias_follower.h"

#include <algorithm>

#include "runtime/base/log.h"

namespace muster::registry::serve {

AliasFollower::AliasFollower(ModelSource& source, ModelServer& server, FollowOptions options,
                             const Clock& clock)
    : source_(source),
      server_(server),
      options_(options),
      clock_(clock),
      thread_([this] { return Step(); }, options.poll) {}

Status AliasFollower::Step() {
  MUSTER_ASSIGN_OR_RETURN(const ModelLocation current, source_.Current());
  if (serving_ == current) {
    failing_.reset();
    return Ok();
  }
  const bool again = failing_ && failing_->location == current;
  if (again && clock_.Now() < failing_->retry_at) return failing_->error;
  const std::string what = current.name + " version " + std::to_string(current.version);
  if (const Status loaded = server_.Load(current); !loaded.ok()) {
    const auto wait = again ? std::min(failing_->wait * 2, options_.longest_wait) : options_.poll;
    failing_ = {current, loaded.error().With("cannot serve " + what), wait, clock_.Now() + wait};
    return failing_->error;
  }
  LogInfo("serve", "serving " + what);
  serving_ = current;
  failing_.reset();
  return Ok();
}

}  // namespace muster::registry::serve
