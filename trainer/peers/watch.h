#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "runtime/base/result.h"
#include "trainer/peers/verdict.h"
#include "trainer/row_order.h"

/// The watch over the ranks of a gang, whatever carries their collectives: a dead or hung rank ends every other with
/// its name, instead of leaving them in a collective that never ends.
///
///   1. Every rank holds a TCP connection to rank 0: on loopback where all ranks share it, else on rank 0's interfaces.
///      The address and a secret of 128 bits go through `all_gather`, once; who does not know the secret is
///      turned away. What follows is not encrypted.
///   2. A thread on each rank tells rank 0 its state five times a second, and rank 0 its own to all (message.h).
///   3. A connection that closes without a goodbye is a dead rank: the kernel closes it whatever killed the process.
///      Silence is a stopped process or a lost machine; no movement while others wait, a hung rank (verdict.h).
///   4. Rank 0 says to all who is lost; rank 0's own loss each rank sees by itself. Then `on_loss` is called with a sentence
///      such as "rank 1 (host a, pid 123) is gone: its connection closed while rank 0 waited for allreduce 17
///      (phase reduce)".
///
/// Time during which this process was itself stopped does not count, so that a gang may be suspended and resumed.

namespace muster::trainer::peers {

/// Prints "lost rank: SENTENCE" to stderr and ends the process at once with code 1, without destructors: its threads may
/// hang in a collective or a driver.
void EndProcess(const std::string& sentence);

struct WatchOptions {
  RankInfo rank;
  /// Every rank's text, by rank; all ranks call it at the same places. Only within Start; may throw.
  std::function<std::vector<std::string>(const std::string& mine)> all_gather;
  /// This rank now. Called by the watch's thread: RankProgress::Read, say.
  std::function<RankState()> state;
  PeerLimits limits;
  /// Called once, on the watch's thread, which then ends; it may not destroy the watch.
  std::function<void(const std::string&)> on_loss = EndProcess;
  /// Of rank 0, as other machines reach it (a name or a number), before those of its interfaces; may be empty.
  std::string address;
  Duration connect_timeout = std::chrono::seconds(30);
};

class Watch {
 public:
  /// All ranks call it. kUnavailable with names when not all come together in time.
  static Result<std::unique_ptr<Watch>> Start(WatchOptions options);
  virtual ~Watch() =
      default;  ///< says goodbye: the rank ends in order, and joins no further collective
  /// This rank ends by an error of its own: the others end too, and say `why`. At most a second.
  virtual void Fail(const std::string& why) = 0;

 protected:
  Watch() = default;
};

}  // namespace muster::trainer::peers
