#include "trainer/optimizer_spec.h"

#include <gtest/gtest.h>

#include <boost/json/parse.hpp>
#include <cmath>

namespace muster::trainer {
namespace {

OptimizerSpec Read(const char* text) {
  const auto params = ReadParams(LoopParams(), boost::json::parse(text).as_object());
  return SpecFromParams(params.value());
}

std::string Refusal(const OptimizerSpec& spec) {
  const Status status = CheckSpec(spec);
  return status.ok() ? "accepted" : status.error().message;
}

TEST(OptimizerSpec, Params_AreTaken) {
  const OptimizerSpec spec = Read(R"({
      "optimizer": "sgd", "weight_decay": 0.1, "decay": "matrices", "beta2": 0.95, "momentum": 0.8, "clip_norm": 1,
      "ema_decay": 0.99, "schedule": "linear", "lr": 0.4, "warmup_epochs": 2, "final_lr_fraction": 0.2})");
  EXPECT_EQ(spec.kind, OptimizerSpec::Kind::kSgd);
  EXPECT_EQ(spec.weight_decay, 0.1);
  EXPECT_FALSE(spec.decay_all);
  EXPECT_EQ(spec.beta2, 0.95);
  EXPECT_EQ(spec.momentum, 0.8);
  EXPECT_EQ(spec.clip_norm, 1);
  EXPECT_EQ(spec.ema_decay, 0.99);
  EXPECT_EQ(spec.schedule.kind, ScheduleKind::kLinear);
  EXPECT_EQ(spec.schedule.peak, 0.4);
  EXPECT_EQ(spec.schedule.warmup_epochs, 2);
  EXPECT_EQ(spec.schedule.final_fraction, 0.2);
  EXPECT_EQ(Refusal(spec), "accepted");
}

TEST(OptimizerSpec, ParamsFallbacks_AreTheSpecs) {
  const OptimizerSpec read = Read("{}");
  const OptimizerSpec own;
  EXPECT_EQ(read.kind, own.kind);
  EXPECT_EQ(read.weight_decay, own.weight_decay);
  EXPECT_EQ(read.decay_all, own.decay_all);
  EXPECT_EQ(read.beta2, own.beta2);
  EXPECT_EQ(read.momentum, own.momentum);
  EXPECT_EQ(read.clip_norm, own.clip_norm);
  EXPECT_EQ(read.ema_decay, own.ema_decay);
  EXPECT_EQ(read.schedule.kind, own.schedule.kind);
  EXPECT_EQ(read.schedule.peak, own.schedule.peak);
  EXPECT_EQ(read.schedule.warmup_epochs, own.schedule.warmup_epochs);
  EXPECT_EQ(read.schedule.final_fraction, own.schedule.final_fraction);
}

TEST(OptimizerSpec, OutOfBounds_NamesMemberValueAndWanted) {
  EXPECT_EQ(Refusal({.beta2 = 1}), "the optimizer's beta2 is 1, wanted from 0 to below 1");
  EXPECT_EQ(Refusal({.clip_norm = std::nan("")}),
            "the optimizer's clip_norm is nan, wanted from 0");
  EXPECT_EQ(Refusal({.weight_decay = INFINITY}),
            "the optimizer's weight_decay is inf, wanted from 0");
  EXPECT_EQ(Refusal({.epsilon = 0}), "the optimizer's epsilon is 0, wanted more than 0");
  EXPECT_EQ(Refusal({.schedule = {.peak = -1}}),
            "the optimizer's schedule.peak is -1, wanted from 0");
  EXPECT_EQ(Refusal({.momentum = 0, .nesterov = true}),
            "the optimizer's nesterov is true with momentum 0, wanted a momentum above 0");
}

TEST(OptimizerSpec, Schedule_IsInSteps) {
  const Schedule schedule = MakeSchedule(
      {.kind = ScheduleKind::kStep, .peak = 0.3, .warmup_epochs = 0.25, .final_fraction = 0.5}, 10,
      6);
  EXPECT_EQ(schedule.kind, ScheduleKind::kStep);
  EXPECT_EQ(schedule.peak, 0.3);
  EXPECT_EQ(schedule.warmup_steps, 3);
  EXPECT_EQ(schedule.total_steps, 60);
  EXPECT_EQ(schedule.final_fraction, 0.5);
  EXPECT_EQ(schedule.step_every, 20);
}

}  // namespace
}  // namespace muster::trainer
