#include "tuner/search.h"

#include "tuner/json.h"
#include "tuner/pruners.h"
#include "tuner/random_sampler.h"
#include "tuner/tpe_sampler.h"

namespace muster::tuner {
namespace {

class NoPruner final : public Pruner {
 public:
  Verdict Decide(std::int64_t /*number*/, const History& /*history*/) override {
    return Verdict::kContinue;
  }
};

Result<std::unique_ptr<Pruner>> MakeAsha(const boost::json::object& json) {
  MUSTER_RETURN_IF_ERROR(OnlyKeys(json, {"step", "min", "max", "eta"}, "asha"));
  AshaPruner::Options options;
  MUSTER_ASSIGN_OR_RETURN(options.min, IntegerOr(json, "min", 1, options.min, "asha"));
  MUSTER_ASSIGN_OR_RETURN(options.eta, IntegerOr(json, "eta", 2, options.eta, "asha"));
  if (!json.contains("max")) {
    return Invalid("at asha.max: missing; it is the last step of a whole trial");
  }
  MUSTER_ASSIGN_OR_RETURN(options.max, IntegerOr(json, "max", options.min + 1, 0, "asha"));
  return std::unique_ptr<Pruner>(std::make_unique<AshaPruner>(options));
}

Result<std::unique_ptr<Pruner>> MakeMedian(const boost::json::object& json) {
  MUSTER_RETURN_IF_ERROR(OnlyKeys(json, {"step", "startup_trials", "warmup_steps"}, "median"));
  MedianPruner::Options options;
  MUSTER_ASSIGN_OR_RETURN(options.startup_trials,
                          IntegerOr(json, "startup_trials", 1, options.startup_trials, "median"));
  MUSTER_ASSIGN_OR_RETURN(options.warmup_steps,
                          IntegerOr(json, "warmup_steps", 0, options.warmup_steps, "median"));
  return std::unique_ptr<Pruner>(std::make_unique<MedianPruner>(options));
}

}  // namespace

Result<std::unique_ptr<Sampler>> MakeSampler(std::string_view name,
                                             std::shared_ptr<const Space> space,
                                             std::uint64_t seed) {
  if (name == "random") {
    return std::unique_ptr<Sampler>(std::make_unique<RandomSampler>(std::move(space), seed));
  }
  if (name == "tpe" || name == "auto") {
    return std::unique_ptr<Sampler>(std::make_unique<TpeSampler>(std::move(space), seed));
  }
  return Invalid("unknown sampler '" + std::string(name) + "'; wanted one of auto, random, tpe");
}

Result<std::unique_ptr<Pruner>> MakePruner(const boost::json::object& stop) {
  if (stop.empty()) return std::unique_ptr<Pruner>(std::make_unique<NoPruner>());
  if (stop.size() != 1) {
    return Invalid("wanted one rule, {asha: {...}} or {median: {...}}, got " + Text(stop));
  }
  const std::string name(stop.begin()->key());
  const auto& options = stop.begin()->value();
  if (name != "asha" && name != "median") {
    return Invalid("at " + name + ": unknown rule; wanted one of asha, median");
  }
  if (!options.is_object())
    return Invalid("at " + name + ": wanted an object, got " + Text(options));
  return name == "asha" ? MakeAsha(options.get_object()) : MakeMedian(options.get_object());
}

}  // namespace muster::tuner
