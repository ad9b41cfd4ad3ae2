#pragma once

#include <memory>
#include <string>
#include <vector>

#include "registry/serve/challenger_follower.h"
#include "runtime/cli/context.h"

namespace muster::cli {

/// The flags of `muster serve` about a challenger.
struct ChallengerFlags {
  std::string source;                            ///< empty: there is none
  std::vector<double> canary = {1, 5, 25, 100};  ///< percent
  double ab = 0;                                 ///< percent; 0: no A/B test
  bool shadow = false;
  std::int64_t step_seconds = 60;
  registry::RolloutSpec rollout;
  std::string sticky_header = "X-Muster-Key";
  std::string log;  ///< empty: below the home
};
void AddChallengerFlags(CLI::App& command, ChallengerFlags& flags);

/// A challenger that is followed for as long as this lives.
class Challenger {
 public:
  virtual ~Challenger() = default;
};
/// Null without a source. `champion` is the reference that --model gave: where it is an alias, a challenger that passes
/// takes it. `context` and `models` must outlive it.
Result<std::unique_ptr<Challenger>> StartChallenger(const Context& context,
                                                    const ChallengerFlags& flags,
                                                    const std::string& champion,
                                                    registry::serve::ModelServer& models);

}  // namespace muster::cli
