#pragma once

#include <string>

#include "runtime/coordinator/state.h"

/// How much the gangs of one user may hold together.

namespace muster::coordinator {

/// The amount for people: "gpu" is in thousandths, "memory" in bytes: "1.5", "64GiB", "12".
std::string AmountText(const std::string& name, std::int64_t amount);

/// Why `most` does not allow `more` beside what is held already: "24 of cpu beside 16 exceed the quota of
/// 32"; empty when it does.
std::string QuotaHit(const Amounts& most, const Amounts& held, const Amounts& more);

/// The same for one more gang of the sweep now; empty when it may start, or when its user has no quota.
std::string QuotaHit(const State& state, const Sweep& sweep);

}  // namespace muster::coordinator
