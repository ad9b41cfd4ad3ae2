#pragma once

#include <boost/json/object.hpp>
#include <optional>
#include <string>
#include <vector>

#include "registry/model_store.h"
#include "registry/trigger.h"
#include "runtime/wire/sweep_spec.h"

/// How a trigger's sweep becomes a retraining. Pure but for the store that is asked.

namespace muster::registry {

/// Whose version is in canary.
inline constexpr std::string_view kChallengerAlias = "challenger";

/// What an alias names, and what it was made of.
struct Champion {
  std::int64_t version = 0;  ///< 0: nothing, or the alias of no model
  std::string sweep;         ///< empty: no sweep made it
  boost::json::object params;
  bool compared =
      false;  ///< the model's gate file wants candidates to be better than something already
};
Result<Champion> FindChampion(ModelStore& models, const std::string& model,
                              const std::string& alias);

/// The sweep as it is to be submitted, and what was done to it, a step each:
///   - with `warm_start` it begins with the champion's parameters, and with the trials of the champion's sweep as
///     history, unless its file says itself what it begins with;
///   - with `compare` it wants a version that is better than the champion on its own held-out rows, where neither
///     its gates nor the model's gate file say so; the metric is that of its first gate with one, else the objective's;
///   - with `canary` what passes is named `challenger`.
struct Plan {
  wire::SweepSpec spec;
  std::vector<Step> steps;
};
Plan PlanRetraining(wire::SweepSpec spec, const wire::RetrainSpec& when, const Champion& champion,
                    std::int64_t now_unix);

}  // namespace muster::registry
