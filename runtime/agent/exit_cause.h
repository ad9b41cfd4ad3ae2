#pragma once

#include <string>
#include <vector>

#include "runtime/agent/agent.h"

/// Why a gang ended, from what its ranks did.

namespace muster::agent {

struct Verdict {
  wire::ExitCause cause = wire::ExitCause::kInfra;
  std::string message;  ///< a sentence that names the first rank that failed
};

inline constexpr int kResumeCode = 75;

/// `exits` in the order in which the ranks ended, of a gang of `ranks`; `all` as RanksExited says. The
/// first rank that did not exit 0 decides: the others were ended because of it.
Verdict Classify(const std::vector<RanksExited::Rank>& exits, int ranks, bool all);

}  // namespace muster::agent
