#include "trainer/params.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>

#include "runtime/base/check.h"
#include "runtime/wire/codec.h"
#include "trainer/schedule.h"

namespace muster::trainer {
namespace {

std::string Number(double value) {
  char text[32];
  std::snprintf(text, sizeof(text), "%.12g", value);
  return text;
}

std::string Wanted(const ParamSpec& spec) {
  if (std::holds_alternative<std::string>(spec.fallback)) {
    if (spec.choices.empty()) return "a text";
    std::string text = "one of ";
    for (std::size_t i = 0; i < spec.choices.size(); ++i) {
      text += (i == 0 ? "" : ", ") + spec.choices[i];
    }
    return text;
  }
  const bool whole = std::holds_alternative<std::int64_t>(spec.fallback);
  std::string text = whole ? "a whole number" : "a number";
  if (std::isfinite(spec.low)) text += " from " + Number(spec.low);
  if (std::isfinite(spec.high)) text += " up to " + Number(spec.high);
  return text;
}

Error Wrong(const ParamSpec& spec, const std::string& got) {
  return Invalid("parameter '" + spec.name + "': wanted " + Wanted(spec) + ", got " + got);
}

Result<ParamValue> ReadNumber(const ParamSpec& spec, const wire::Json& json) {
  // Also false for NaN.
  const auto within = [&](double value) { return value >= spec.low && value <= spec.high; };
  if (std::holds_alternative<std::int64_t>(spec.fallback)) {
    auto value = wire::FromJson<std::int64_t>(json);
    if (!value.ok() || !within(static_cast<double>(*value))) {
      return Wrong(spec, wire::SerializeJson(json));
    }
    return ParamValue(*value);
  }
  auto value = wire::FromJson<double>(json);
  if (!value.ok() || !within(*value)) return Wrong(spec, wire::SerializeJson(json));
  return ParamValue(*value);
}

Result<ParamValue> ReadParam(const ParamSpec& spec, const wire::Json& json) {
  if (!std::holds_alternative<std::string>(spec.fallback)) return ReadNumber(spec, json);
  if (!json.is_string()) return Wrong(spec, wire::SerializeJson(json));
  const std::string text(json.get_string());
  if (!spec.choices.empty() && std::ranges::find(spec.choices, text) == spec.choices.end()) {
    return Wrong(spec, wire::SerializeJson(json));
  }
  return ParamValue(text);
}

template <typename T>
const T& Get(const std::map<std::string, ParamValue, std::less<>>& values, std::string_view name) {
  const auto found = values.find(name);
  MUSTER_CHECK(found != values.end(), "a trial asks only for parameters that it declares");
  const T* value = std::get_if<T>(&found->second);
  MUSTER_CHECK(value != nullptr, "a parameter is asked for as the type that it was declared with");
  return *value;
}

struct Objective {
  std::string metric = "validation/accuracy";
  std::string goal = "maximize";
};
BOOST_DESCRIBE_STRUCT(Objective, (), (metric, goal))

struct File {
  boost::json::object params;
  std::map<std::string, std::string> data;
  std::int64_t seed = 0;
  std::string trial;
  Objective objective;
};
BOOST_DESCRIBE_STRUCT(File, (), (params, data, seed, trial, objective))

}  // namespace

double Params::Float(std::string_view name) const { return Get<double>(values_, name); }
std::int64_t Params::Int(std::string_view name) const { return Get<std::int64_t>(values_, name); }
const std::string& Params::Text(std::string_view name) const {
  return Get<std::string>(values_, name);
}

boost::json::object Params::ToJson() const {
  boost::json::object json;
  for (const auto& [name, value] : values_) {
    std::visit([&, &key = name](const auto& held) { json[key] = wire::ToJson(held); }, value);
  }
  return json;
}

Result<Params> ReadParams(const std::vector<ParamSpec>& specs, const boost::json::object& given) {
  Params params;
  for (const ParamSpec& spec : specs) {
    const auto* json = given.if_contains(spec.name);
    if (json == nullptr || json->is_null()) {
      params.values_[spec.name] = spec.fallback;
      continue;
    }
    MUSTER_ASSIGN_OR_RETURN(params.values_[spec.name], ReadParam(spec, *json));
  }
  for (const auto& entry : given) {
    const std::string name(entry.key());
    if (params.values_.contains(name)) continue;
    std::string known;
    for (const ParamSpec& spec : specs) known += (known.empty() ? "" : ", ") + spec.name;
    return Invalid("parameter '" + name + "' is not one of this trial's: " + known);
  }
  return params;
}

Result<boost::json::value> ParseParam(const ParamSpec& spec, std::string_view text) {
  if (std::holds_alternative<std::string>(spec.fallback)) {
    return boost::json::value(boost::json::string(text));
  }
  const auto parse = [&](auto value) -> Result<boost::json::value> {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size()) {
      return Wrong(spec, "'" + std::string(text) + "'");
    }
    return boost::json::value(value);
  };
  return std::holds_alternative<std::int64_t>(spec.fallback) ? parse(std::int64_t{0}) : parse(0.0);
}

ParamSpec FloatParam(std::string name, double fallback, double low, double high, std::string help) {
  return {.name = std::move(name),
          .fallback = fallback,
          .help = std::move(help),
          .low = low,
          .high = high};
}

ParamSpec IntParam(std::string name, std::int64_t fallback, std::int64_t low, std::int64_t high,
                   std::string help) {
  return {.name = std::move(name),
          .fallback = fallback,
          .help = std::move(help),
          .low = static_cast<double>(low),
          .high = static_cast<double>(high)};
}

ParamSpec ChoiceParam(std::string name, std::vector<std::string> choices, std::string fallback,
                      std::string help) {
  return {.name = std::move(name),
          .fallback = std::move(fallback),
          .help = std::move(help),
          .choices = std::move(choices)};
}

std::vector<ParamSpec> LoopParams() {
  return {
      ChoiceParam("optimizer", {"adamw", "sgd"}, "adamw", "how gradients change weights"),
      FloatParam("lr", 0.003, 0.0, 1000.0, "peak learning rate"),
      FloatParam("momentum", 0.9, 0.0, 0.9999, "of sgd"),
      FloatParam("beta2", 0.999, 0.0, 0.999999,
                 "of adamw: memory of squared gradients; 0.95 suits large transformers"),
      FloatParam("weight_decay", 0.01, 0.0, 1000.0, "decoupled with adamw, L2 with sgd"),
      ChoiceParam("decay", {"all", "matrices"}, "all",
                  "what weight_decay acts on: matrices leaves biases and norms alone"),
      FloatParam("clip_norm", 0.0, 0.0, 1e9, "largest global norm of the gradients; 0: any"),
      FloatParam("ema_decay", 0.0, 0.0, 0.999999,
                 "memory of averaged weights, validated in place of the last ones; 0: none"),
      ChoiceParam("schedule", ScheduleNames(), "cosine", "how the learning rate moves"),
      FloatParam("warmup_epochs", 0.5, 0.0, 1e6,
                 "epochs until the peak learning rate; one_cycle rises by itself"),
      FloatParam("final_lr_fraction", 0.0, 0.0, 1.0, "of lr, where cosine and linear end"),
      IntParam("batch_size", 64, 1, 1'000'000'000, "rows of one step over all ranks"),
      IntParam("epochs", 9, 1, 1'000'000'000, "passes over the training rows"),
      IntParam(
          "accumulate", 1, 1, 1'000'000,
          "parts that a rank computes its share of a batch in, one after another: less memory"),
      ChoiceParam("zero", {"off", "on"}, "off",
                  "share the optimizer's state out over the ranks: less memory"),
      ChoiceParam("find_unused", {"off", "on"}, "off",
                  "let a parameter take no part in a step; without it that is an error"),
      FloatParam("bucket_mb", 25.0, 0.001, 1e6, "MiB of gradients that ranks reduce at once"),
      ChoiceParam("device", {"auto", "cpu", "cuda"}, "auto", "auto: a GPU where there is one"),
      ChoiceParam("precision", {"fp32", "bf16", "fp16"}, "fp32",
                  "of forward and backward (autocast)"),
      ChoiceParam("deterministic", {"on", "off"}, "on",
                  "the same seed gives the same bits on a GPU; off may be faster there"),
      ChoiceParam("cuda_graph", {"off", "on"}, "off",
                  "queue a whole step at once; on one GPU, for a trial whose steps do not wait for "
                  "the device"),
  };
}

std::vector<ParamSpec> WithLoopParams(std::vector<ParamSpec> own) {
  for (ParamSpec& spec : LoopParams()) {
    const bool declared =
        std::ranges::any_of(own, [&](const ParamSpec& mine) { return mine.name == spec.name; });
    if (!declared) own.push_back(std::move(spec));
  }
  return own;
}

Result<TrialFile> ReadTrialFile(std::string_view json) {
  MUSTER_ASSIGN_OR_RETURN(File file, wire::Decode<File>(json));
  const std::string& goal = file.objective.goal;
  if (goal != "maximize" && goal != "minimize") {
    return Invalid("at objective.goal: wanted maximize or minimize, got '" + goal + "'");
  }
  TrialFile trial{.params = std::move(file.params),
                  .data = std::move(file.data),
                  .seed = file.seed,
                  .trial = std::move(file.trial),
                  .maximize = goal == "maximize"};
  if (!file.objective.metric.empty()) trial.metric = std::move(file.objective.metric);
  return trial;
}

}  // namespace muster::trainer
