#pragma once

#include <memory>

#include "trainer/control.h"
#include "trainer/rank_progress.h"

namespace muster::trainer::peers {

/// `inner` whose beats also go to `progress`, which must outlive it. Null `inner`: everything else goes nowhere.
std::unique_ptr<Control> WithPhase(std::unique_ptr<Control> inner, RankProgress& progress);

}  // namespace muster::trainer::peers
