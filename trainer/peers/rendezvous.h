#pragma once

#include <utility>
#include <vector>

#include "trainer/peers/link.h"
#include "trainer/peers/watch.h"

/// How the watches of a gang find each other: steps 1 of watch.h.

namespace muster::trainer::peers {

struct Meeting {
  std::vector<Peer> peers;  ///< all ranks
  /// On rank 0: one to each other rank. Elsewhere: the one to rank 0.
  std::vector<std::pair<std::int64_t, Socket>> links;
};

/// kUnavailable with the names of those who did not come.
Result<Meeting> Meet(const WatchOptions& options);

}  // namespace muster::trainer::peers
