#pragma once

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "runtime/base/result.h"

/// What the coordinator asks of the tuner: parameters for the next trial, and whether a trial goes on.
/// Ask/tell, no I/O, no clock, no hidden random state: every answer is a function of (seed, trial number,
/// the history handed in), so a replay gives the same answers bit for bit.

namespace muster::tuner {

/// A parameter's value. Categories keep their own type.
using ParamValue = std::variant<bool, std::int64_t, double, std::string>;
/// Active parameters only: one whose `when` does not hold is absent.
using Params = std::map<std::string, ParamValue>;

boost::json::object ParamsToJson(const Params& params);
Result<Params> ParamsFromJson(const boost::json::object& json);
/// As it stands in a command line: 0.001, 32, true, adamw. Doubles are the shortest text that round-trips.
std::string ParamText(const ParamValue& value);

enum class TrialState { kRunning, kComplete, kPruned, kFailed };

/// What the tuner knows of one trial. `reports` are (step, value) in the order of step.
struct TrialHistory {
  std::int64_t number = 0;
  Params params;
  TrialState state = TrialState::kRunning;
  std::optional<double> value;  ///< final objective; NaN counts as the worst
  std::vector<std::pair<std::int64_t, double>> reports;
};

/// All trials of a sweep in the order of their number.
struct History {
  std::vector<TrialHistory> trials;
  bool maximize = true;
};

class Sampler {
 public:
  virtual ~Sampler() = default;
  /// Parameters for trial `number` given the history, which holds every earlier trial (running ones
  /// too). kResource with "space exhausted" when a finite space has no unseen point left.
  virtual Result<Params> Suggest(std::int64_t number, const History& history) = 0;
};

enum class Verdict { kContinue, kStop };

class Pruner {
 public:
  virtual ~Pruner() = default;
  /// Called after the last of `trial`'s reports was added to `history`.
  virtual Verdict Decide(std::int64_t number, const History& history) = 0;
};

/// The space as the sweep file says it; an error names the parameter and what is wrong with it, as
/// "at lr.float[1]: ...". Kept abstract here: see space.h.
class Space;
Result<std::shared_ptr<const Space>> ParseSpace(const boost::json::object& json);

/// `name`: "auto", "random", "tpe"; an unknown one is kInvalid and lists the known.
Result<std::unique_ptr<Sampler>> MakeSampler(std::string_view name,
                                             std::shared_ptr<const Space> space,
                                             std::uint64_t seed);
/// `stop`: {} (never stops), {"median": {...}}, {"asha": {step, min, max, eta}}; other keys and wrong
/// bounds are kInvalid with their path.
Result<std::unique_ptr<Pruner>> MakePruner(const boost::json::object& stop);

}  // namespace muster::tuner
