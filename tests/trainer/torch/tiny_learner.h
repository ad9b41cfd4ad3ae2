#pragma once

#include <gtest/gtest.h>

#include <boost/json/parse.hpp>

#include "tests/trainer/torch/tiny_trial.h"
#include "trainer/torch/learner.h"

/// Trains TinyTrial step by step, for tests of what a step does on a device and in a gang.

namespace muster::trainer {

/// In training mode. `trial`, `accelerator` and `gang` outlive it.
inline std::unique_ptr<Learner> MakeLearner(Trial& trial, const char* json,
                                            Accelerator& accelerator, const Gang& gang) {
  const auto params =
      ReadParams(WithLoopParams(trial.params()), boost::json::parse(json).as_object());
  EXPECT_TRUE(params.ok()) << params.error().message;
  auto learner = Learner::Make(trial, *params, gang, accelerator, LearnerOptionsFrom(*params, 5));
  EXPECT_TRUE(learner.ok()) << learner.error().message;
  (*learner)->module().train();
  return std::move(learner).value();
}

/// The weights, in host memory, after ten batches of 16 rows and one of 6; the sum of their losses.
inline std::vector<at::Tensor> TrainTiny(const char* json, Accelerator& accelerator,
                                         const Gang& gang, double* loss = nullptr) {
  constexpr double kRate = 1.0 / 128;  // a graph keeps it in fp32
  const Clouds data(10 * 16 + 6);
  TinyTrial trial;
  const auto learner = MakeLearner(trial, json, accelerator, gang);
  auto loader = BatchLoader::Start(data, {.columns = trial.data().columns(),
                                          .epoch = {.seed = 1, .rows = data.rows()},
                                          .batch_size = 16,
                                          .rank = gang.rank(),
                                          .accelerator = &accelerator});
  EXPECT_TRUE(loader.ok());
  for (std::int64_t step = 0;; ++step) {
    const auto loaded = (*loader)->Next();
    EXPECT_TRUE(loaded.ok());
    if (!loaded.ok() || !*loaded) break;
    learner->Step(**loaded, step, kRate, [](const char*) {});
  }
  if (loss != nullptr) *loss = learner->loss_sum();
  std::vector<at::Tensor> weights = Weights(learner->module());
  for (at::Tensor& weight : weights) weight = weight.cpu();
  return weights;
}

}  // namespace muster::trainer
