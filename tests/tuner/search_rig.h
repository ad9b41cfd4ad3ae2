#pragma once

#include <boost/json/parse.hpp>
#include <cmath>
#include <deque>
#include <functional>

#include "tuner/sampler.h"

/// Runs whole searches in memory, for tests of samplers.

namespace muster::tuner {

inline std::shared_ptr<const Space> Parse(const char* text) {
  return *ParseSpace(boost::json::parse(text).as_object());
}

using Objective = std::function<double(const Params&)>;

inline SearchSpec SpecOf(const char* sampler, const char* space, std::uint64_t seed) {
  return {.space = Parse(space), .seed = seed, .sampler = sampler};
}

/// Asks for up to `trials` trials with `workers` of them running at a time, which end in the order of a seeded
/// draw; NaN fails. Stops early when the space is exhausted.
inline History Search(Sampler& sampler, int trials, const Objective& loss, int workers = 1) {
  History history;
  std::vector<std::int64_t> running;
  Random order(99);
  const auto end_one = [&] {
    const auto at = static_cast<std::ptrdiff_t>(order.Below(running.size()));
    const std::int64_t number = running[static_cast<std::size_t>(at)];
    const double value = loss(history.At(number).params);
    const bool failed = std::isnan(value);
    history.Finish(number, failed ? Outcome{TrialState::kFailed, {}, {}}
                                  : Outcome{TrialState::kComplete, {value}, {}});
    running.erase(running.begin() + at);
  };
  for (int i = 0; i < trials; ++i) {
    auto suggested = sampler.Suggest(i, history);
    if (!suggested.ok()) break;
    history.Start(i, suggested->params);
    running.push_back(i);
    if (static_cast<int>(running.size()) == workers) end_one();
  }
  while (!running.empty()) end_one();
  return history;
}

inline History Search(const SearchSpec& spec, int trials, const Objective& loss, int workers = 1) {
  return Search(**MakeSampler(spec), trials, loss, workers);
}

/// The smallest loss of a complete trial.
inline double Best(const History& history) {
  double best = INFINITY;
  for (const Trial& trial : history.trials()) {
    if (trial.state == TrialState::kComplete) best = std::min(best, trial.losses[0]);
  }
  return best;
}

inline double At(const Params& params, const char* name) {
  const auto& value = params.at(name);
  const auto* whole = std::get_if<std::int64_t>(&value);
  return whole != nullptr ? static_cast<double>(*whole) : std::get<double>(value);
}

inline constexpr const char* kBox =
    R"({"a":{"float":[-5,5]},"b":{"float":[-5,5]},"c":{"float":[-5,5]},"d":{"float":[-5,5]}})";
inline double Sphere(const Params& params) {
  double sum = 0;
  for (const auto& [name, value] : params) sum += std::pow(std::get<double>(value) - 1, 2);
  return sum;
}

inline constexpr const char* kMixed =
    R"({"lr":{"float":[1e-5,1],"log":true},"width":{"int":[16,512],"log":true,"q":16},
        "dropout":{"float":[0,0.5],"step":0.05},"layers":{"int":[1,8]},
        "optimizer":{"choice":["adamw","sgd","lion"]},
        "momentum":{"float":[0.5,0.99],"when":{"optimizer":"sgd"}},
        "nesterov":{"choice":[true,false],"when":{"optimizer":"sgd"}},
        "dampening":{"float":[0,0.9],"when":{"nesterov":false}}})";
/// Its best is sgd with nesterov off, near lr 1e-2.
inline double MixedLoss(const Params& params) {
  const bool sgd = std::get<std::string>(params.at("optimizer")) == "sgd";
  double loss = std::pow(std::log10(At(params, "lr")) + 2, 2) + 0.1 * At(params, "layers") +
                At(params, "dropout") + std::pow(At(params, "width") / 256 - 1, 2) + (sgd ? 0 : 1);
  if (sgd) loss += std::pow(At(params, "momentum") - 0.9, 2);
  if (params.contains("dampening")) loss += At(params, "dampening") - 0.5;
  return loss;
}

}  // namespace muster::tuner
