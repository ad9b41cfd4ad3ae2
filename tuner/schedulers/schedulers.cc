// Schedulers by the name of their rule.
#include "tuner/json.h"
#include "tuner/schedulers/pruners.h"

namespace muster::tuner {
namespace {

using Made = Result<std::unique_ptr<Scheduler>>;

class Never final : public Scheduler {
 public:
  Verdict Judge(std::int64_t /*number*/, const History& /*history*/) override {
    return Verdict::kContinue;
  }
  std::string Explain(const History& /*history*/) override { return "every trial runs to its end"; }
};

Made MakeAsha(const boost::json::object& json) {
  MUSTER_RETURN_IF_ERROR(OnlyKeys(json, {"step", "min", "max", "eta"}, "asha"));
  AshaPruner::Options options;
  MUSTER_ASSIGN_OR_RETURN(options.min, IntegerOr(json, "min", 1, options.min, "asha"));
  MUSTER_ASSIGN_OR_RETURN(options.eta, IntegerOr(json, "eta", 2, options.eta, "asha"));
  if (!json.contains("max")) {
    return Invalid("at asha.max: missing; it is the last step of a whole trial");
  }
  MUSTER_ASSIGN_OR_RETURN(options.max, IntegerOr(json, "max", options.min + 1, 0, "asha"));
  return std::unique_ptr<Scheduler>(std::make_unique<AshaPruner>(options));
}

Made MakeMedian(const boost::json::object& json) {
  MUSTER_RETURN_IF_ERROR(OnlyKeys(json, {"step", "startup_trials", "warmup_steps"}, "median"));
  MedianPruner::Options options;
  MUSTER_ASSIGN_OR_RETURN(options.startup_trials,
                          IntegerOr(json, "startup_trials", 1, options.startup_trials, "median"));
  MUSTER_ASSIGN_OR_RETURN(options.warmup_steps,
                          IntegerOr(json, "warmup_steps", 0, options.warmup_steps, "median"));
  return std::unique_ptr<Scheduler>(std::make_unique<MedianPruner>(options));
}

}  // namespace

Result<std::unique_ptr<Scheduler>> MakeScheduler(const SearchSpec& spec) {
  if (spec.stop.empty()) return std::unique_ptr<Scheduler>(std::make_unique<Never>());
  if (spec.stop.size() != 1) {
    return Invalid("wanted one rule, {asha: {...}} or {median: {...}}, got " + Text(spec.stop));
  }
  const std::string name(spec.stop.begin()->key());
  const auto& options = spec.stop.begin()->value();
  if (name != "asha" && name != "median") {
    return Invalid("at " + name + ": unknown rule; wanted one of asha, median");
  }
  if (!options.is_object()) {
    return Invalid("at " + name + ": wanted an object, got " + Text(options));
  }
  return name == "asha" ? MakeAsha(options.get_object()) : MakeMedian(options.get_object());
}

}  // namespace muster::tuner
