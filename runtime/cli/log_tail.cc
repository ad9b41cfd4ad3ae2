#include "runtime/cli/log_tail.h"

#include <algorithm>

namespace muster::cli {

Result<std::string> LogTail::Next(http::Client& client,
                                  const std::vector<wire::AttemptSummary>& attempts) {
  for (;;) {
    if (offset_ != kDone) {
      MUSTER_ASSIGN_OR_RETURN(
          auto chunk,
          client.Get(trial_ + "/logs?rank=" + std::to_string(rank_) + "&stream=" + stream_ +
                     "&epoch=" + std::to_string(epoch_) + "&offset=" + std::to_string(offset_)));
      if (chunk.status != 200) return http::ErrorFromResponse(chunk);
      offset_ += static_cast<std::int64_t>(chunk.body.size());
      if (!chunk.body.empty()) return std::move(chunk.body);
    }
    const auto next = std::ranges::find_if(
        attempts, [&](const wire::AttemptSummary& attempt) { return attempt.epoch > epoch_; });
    if (next == attempts.end()) return std::string();
    epoch_ = next->epoch;
    offset_ = 0;
  }
}

}  // namespace muster::cli
