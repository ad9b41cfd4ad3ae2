#pragma once

#include <cstdint>
#include <vector>

#include "registry/evaluation.h"
#include "registry/inference_engine.h"
#include "runtime/base/clock.h"

namespace muster::registry {

/// Milliseconds of calls with the first `batch` held-out rows (from the first again where there are fewer), one after the
/// other: kTimedCalls of them, or what kTimedFor holds. The first kWarmUpCalls are not counted. kInvalid and kResource
/// of the engine.
inline constexpr int kTimedCalls = 1'000;
inline constexpr int kWarmUpCalls = 20;
inline constexpr std::chrono::seconds kTimedFor{20};
Result<std::vector<double>> TimeCalls(InferenceModel& model, const Evaluation& evaluation,
                                      std::int64_t batch, const Clock& clock);

}  // namespace muster::registry
