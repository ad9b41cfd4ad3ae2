#include "runtime/agent/exit_cause.h"

#include <algorithm>

namespace muster::agent {

Verdict Classify(const std::vector<RanksExited::Rank>& exits, int ranks, bool all) {
  const auto first =
      std::ranges::find_if(exits, [](const auto& rank) { return rank.exit.code != 0; });
  if (first != exits.end()) {
    const std::string who = "rank " + std::to_string(first->exit.rank);
    if (first->exit.code == kResumeCode)
      return {wire::ExitCause::kResume, who + " asks to be resumed (exit 75)"};
    if (first->out_of_memory)
      return {wire::ExitCause::kOom, who + " ended first, killed for memory: " + first->exit.text};
    return {wire::ExitCause::kUser, who + " failed first: " + first->exit.text};
  }
  if (all || static_cast<int>(exits.size()) == ranks)
    return {wire::ExitCause::kSuccess, "all " + std::to_string(ranks) + " ranks exited 0"};
  return {wire::ExitCause::kInfra, "the processes are gone, but only " +
                                       std::to_string(exits.size()) + " of " +
                                       std::to_string(ranks) + " ranks were seen to end"};
}

}  // namespace muster::agent
