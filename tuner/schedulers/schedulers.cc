// Schedulers by the names of their rules.
#include <array>

#include "tuner/json.h"
#include "tuner/schedulers/any_of.h"
#include "tuner/schedulers/halving.h"
#include "tuner/schedulers/patience.h"
#include "tuner/schedulers/pbt.h"
#include "tuner/schedulers/quantile.h"
#include "tuner/schedulers/threshold.h"

namespace muster::tuner {
namespace {

using boost::json::object;
using Made = Result<std::unique_ptr<Scheduler>>;

class Never final : public Scheduler {
 public:
  Verdict Judge(std::int64_t /*number*/, const History& /*history*/) override {
    return Verdict::kContinue;
  }
  std::string Explain(const History& /*history*/) override { return "every trial runs to its end"; }
};

/// An optional number that `holds`; `wanted` says so.
Result<double> NumberOr(const object& json, const char* key, double otherwise,
                        const std::string& where, bool (*holds)(double), const char* wanted) {
  const auto* found = json.if_contains(key);
  if (found == nullptr) return otherwise;
  const std::string path = where + "." + key;
  MUSTER_ASSIGN_OR_RETURN(const double number, Number(*found, path));
  if (holds(number)) return number;
  return Invalid("at " + path + ": wanted " + wanted + ", got " + Text(*found));
}

bool Any(double /*number*/) { return true; }

Made MakeHalving(const object& json, const SearchSpec& spec, const std::string& name) {
  MUSTER_RETURN_IF_ERROR(OnlyKeys(json, {"step", "min", "max", "eta", "mode"}, name));
  SuccessiveHalving::Options options{.brackets = name != "asha",
                                     .seed = spec.seed,
                                     .trials = spec.trials,
                                     .objectives = spec.goals.size()};
  MUSTER_ASSIGN_OR_RETURN(options.min, IntegerOr(json, "min", 1, options.min, name));
  MUSTER_ASSIGN_OR_RETURN(options.eta, IntegerOr(json, "eta", 2, options.eta, name));
  if (!json.contains("max")) {
    return Invalid("at " + name + ".max: missing; it is the last step of a whole trial");
  }
  MUSTER_ASSIGN_OR_RETURN(options.max, IntegerOr(json, "max", options.min + 1, 0, name));
  if (const auto* mode = json.if_contains("mode")) {
    if (*mode != "stop" && *mode != "promote") {
      return Invalid("at " + name + ".mode: wanted stop or promote, got " + Text(*mode));
    }
    options.promote = *mode == "promote";
  }
  return std::unique_ptr<Scheduler>(std::make_unique<SuccessiveHalving>(options));
}

Made MakeAsha(const object& json, const SearchSpec& spec) {
  return MakeHalving(json, spec, "asha");
}

Made MakeHyperband(const object& json, const SearchSpec& spec) {
  return MakeHalving(json, spec, "hyperband");
}

/// Falkner, Klein and Hutter, "BOHB" (ICML 2018): Hyperband whose new trials come from a model of the largest
/// rung that has results enough. The model is the sampler's part: tpe asks for rungs().
Made MakeBohb(const object& json, const SearchSpec& spec) {
  if (spec.sampler != "tpe" && spec.sampler != "auto") {
    return Invalid("at bohb: wanted the sampler tpe or auto with it, got " + spec.sampler);
  }
  return MakeHalving(json, spec, "bohb");
}

Made MakeQuantile(const object& json, QuantileRule::Options options) {
  const std::string where = options.name;
  MUSTER_ASSIGN_OR_RETURN(options.startup_trials,
                          IntegerOr(json, "startup_trials", 1, options.startup_trials, where));
  MUSTER_ASSIGN_OR_RETURN(options.warmup_steps,
                          IntegerOr(json, "warmup_steps", 0, options.warmup_steps, where));
  return std::unique_ptr<Scheduler>(std::make_unique<QuantileRule>(std::move(options)));
}

Made MakeMedian(const object& json, const SearchSpec& /*spec*/) {
  MUSTER_RETURN_IF_ERROR(OnlyKeys(json, {"step", "startup_trials", "warmup_steps"}, "median"));
  return MakeQuantile(json, {});
}

Made MakePercentile(const object& json, const SearchSpec& /*spec*/) {
  MUSTER_RETURN_IF_ERROR(
      OnlyKeys(json, {"step", "percentile", "startup_trials", "warmup_steps"}, "percentile"));
  const auto inside = [](double x) { return x > 0 && x < 100; };
  MUSTER_ASSIGN_OR_RETURN(const double percentile, NumberOr(json, "percentile", 25, "percentile",
                                                            inside, "above 0 and below 100"));
  return MakeQuantile(json, {.name = "percentile", .quantile = percentile / 100});
}

Made MakePatience(const object& json, const SearchSpec& /*spec*/) {
  MUSTER_RETURN_IF_ERROR(OnlyKeys(json, {"step", "reports", "steps", "min_delta"}, "patience"));
  if (json.contains("reports") == json.contains("steps")) {
    return Invalid("at patience: wanted one of reports and steps: how long it waits");
  }
  PatienceRule::Options options;
  MUSTER_ASSIGN_OR_RETURN(options.reports, IntegerOr(json, "reports", 1, 0, "patience"));
  MUSTER_ASSIGN_OR_RETURN(options.steps, IntegerOr(json, "steps", 1, 0, "patience"));
  const auto some = [](double x) { return x >= 0; };
  MUSTER_ASSIGN_OR_RETURN(options.min_delta,
                          NumberOr(json, "min_delta", 0, "patience", some, "0 or more"));
  return std::unique_ptr<Scheduler>(std::make_unique<PatienceRule>(options));
}

Made MakeThreshold(const object& json, const SearchSpec& spec) {
  MUSTER_RETURN_IF_ERROR(OnlyKeys(json, {"step", "lower", "upper", "warmup_steps"}, "threshold"));
  if (!json.contains("lower") && !json.contains("upper")) {
    return Invalid("at threshold: wanted lower, upper or both");
  }
  ThresholdRule::Options options{.goal = spec.goals[0]};
  MUSTER_ASSIGN_OR_RETURN(options.lower,
                          NumberOr(json, "lower", options.lower, "threshold", Any, ""));
  MUSTER_ASSIGN_OR_RETURN(options.upper,
                          NumberOr(json, "upper", options.upper, "threshold", Any, ""));
  MUSTER_ASSIGN_OR_RETURN(options.warmup_steps, IntegerOr(json, "warmup_steps", 0, 0, "threshold"));
  if (options.lower <= options.upper) {
    return std::unique_ptr<Scheduler>(std::make_unique<ThresholdRule>(options));
  }
  return Invalid("at threshold.lower: wanted at most upper, " + ParamText(options.upper) +
                 ", got " + ParamText(options.lower));
}

Result<std::array<double, 2>> Factors(const object& json, std::array<double, 2> factors) {
  const auto* found = json.if_contains("factor");
  if (found == nullptr) return factors;
  if (!found->is_array() || found->get_array().size() != 2) {
    return Invalid("at pbt.factor: wanted [down, up], as [0.8, 1.2], got " + Text(*found));
  }
  for (std::size_t i = 0; i < 2; ++i) {
    const std::string where = "pbt.factor[" + std::to_string(i) + "]";
    MUSTER_ASSIGN_OR_RETURN(factors[i], Number(found->get_array()[i], where));
    if (i == 0 ? factors[i] > 0 && factors[i] < 1 : factors[i] > 1) continue;
    return Invalid("at " + where + ": wanted " + (i == 0 ? "above 0 and below 1" : "above 1") +
                   ", got " + Text(found->get_array()[i]));
  }
  return factors;
}

Made MakePbt(const object& json, const SearchSpec& spec) {
  MUSTER_RETURN_IF_ERROR(OnlyKeys(
      json, {"step", "interval", "population", "max", "quantile", "resample", "factor"}, "pbt"));
  if (spec.space == nullptr) return Invalid("at pbt: wanted a search over a space");
  Pbt::Options options{
      .space = spec.space, .seed = spec.seed, .trials = spec.trials, .parallel = spec.parallel};
  if (!json.contains("interval")) {
    return Invalid("at pbt.interval: missing; it is how many steps apart members are compared");
  }
  MUSTER_ASSIGN_OR_RETURN(options.interval, IntegerOr(json, "interval", 1, 1, "pbt"));
  MUSTER_ASSIGN_OR_RETURN(options.population,
                          IntegerOr(json, "population", 2, options.population, "pbt"));
  MUSTER_ASSIGN_OR_RETURN(options.max, IntegerOr(json, "max", 1, 0, "pbt"));
  const auto half = [](double x) { return x > 0 && x <= 0.5; };
  MUSTER_ASSIGN_OR_RETURN(options.quantile, NumberOr(json, "quantile", options.quantile, "pbt",
                                                     half, "above 0 and up to 0.5"));
  const auto share = [](double x) { return x >= 0 && x <= 1; };
  MUSTER_ASSIGN_OR_RETURN(
      options.perturb.resample,
      NumberOr(json, "resample", options.perturb.resample, "pbt", share, "0 to 1"));
  MUSTER_ASSIGN_OR_RETURN(options.perturb.factor, Factors(json, options.perturb.factor));
  return std::unique_ptr<Scheduler>(std::make_unique<Pbt>(std::move(options)));
}

struct Rule {
  std::string_view name;
  Made (*make)(const object&, const SearchSpec&);
};

constexpr std::array kRules{
    Rule{"asha", MakeAsha},         Rule{"hyperband", MakeHyperband},
    Rule{"bohb", MakeBohb},         Rule{"pbt", MakePbt},
    Rule{"median", MakeMedian},     Rule{"percentile", MakePercentile},
    Rule{"patience", MakePatience}, Rule{"threshold", MakeThreshold},
};

/// Whether the rule pauses, resumes or clones.
bool Chooses(std::string_view name, const object& options) {
  return name == "pbt" || (options.contains("mode") && options.at("mode") == "promote");
}

Result<const Rule*> Find(std::string_view name, const boost::json::value& options) {
  std::string known;
  for (const Rule& rule : kRules) {
    if (rule.name != name) {
      known.append(known.empty() ? "" : ", ").append(rule.name);
      continue;
    }
    if (options.is_object()) return &rule;
    return Invalid("at " + std::string(name) + ": wanted an object, got " + Text(options));
  }
  return Invalid("at " + std::string(name) + ": unknown rule; wanted one of " + known);
}

}  // namespace

Result<std::unique_ptr<Scheduler>> MakeScheduler(const SearchSpec& spec) {
  std::vector<std::unique_ptr<Scheduler>> rules;
  std::string chooser;
  for (const auto& entry : spec.stop) {
    MUSTER_ASSIGN_OR_RETURN(const Rule* rule, Find(entry.key(), entry.value()));
    const object& options = entry.value().get_object();
    MUSTER_ASSIGN_OR_RETURN(auto made, rule->make(options, spec));
    if (!Chooses(rule->name, options)) {
      rules.push_back(std::move(made));
      continue;
    }
    if (!chooser.empty()) {
      return Invalid("at " + std::string(rule->name) + ": " + chooser +
                     " already pauses or clones; only one rule may");
    }
    chooser = rule->name;
    rules.insert(rules.begin(), std::move(made));
  }
  if (rules.empty()) return std::unique_ptr<Scheduler>(std::make_unique<Never>());
  if (rules.size() == 1) return std::move(rules[0]);
  return std::unique_ptr<Scheduler>(std::make_unique<AnyOf>(std::move(rules)));
}

}  // namespace muster::tuner
