#pragma once

#include <string>

#include "runtime/wire/api.h"

namespace muster::cli {

/// "slots 2 h 5 min (5 min 0 s lost), CPU 1 h 50 min, 1.2 GiB of memory at most, 1.3 MJ"; empty when nothing has ended.
std::string UseText(const wire::UseSummary& used);
/// 1300000 -> "1.3 MJ".
std::string EnergyText(double joules);

}  // namespace muster::cli
