#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

/// Where a rank's program says it is: one line in the file that MUSTER_HEARTBEAT names, "<count> <step> <total>
/// <phase>", written over again and again. Ranks in lockstep count alike, so who waits for whom can be read off
/// without a look at the program. "17" alone will do: the count is the step then.

namespace muster::agent {

struct Beat {
  std::int64_t count = 0;  ///< rises with every beat
  std::int64_t step = 0;   ///< in the program's own unit
  std::int64_t total = 0;  ///< steps in all; 0: not known
  std::string phase;       ///< "forward"; one word, or empty
  friend bool operator==(const Beat&, const Beat&) = default;
};

/// Nothing when it is no whole line that begins with a number.
std::optional<Beat> ParseBeat(std::string_view line);
/// "step 85 of 400 (forward)"
std::string TextOf(const Beat& beat);

}  // namespace muster::agent
