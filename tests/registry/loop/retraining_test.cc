#include "registry/loop/retraining.h"

#include <gmock/gmock.h>

#include "registry/memory_model_store.h"
#include "runtime/base/clock.h"

namespace muster::registry {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

wire::SweepSpec Spec() {
  wire::SweepSpec spec;
  spec.name = "digits";
  spec.space = {{"lr", {{"float", {0.1, 1.0}}}}};
  spec.objective.metric = "validation/accuracy";
  spec.model.emplace().name = "digits";
  spec.retrain.emplace().cron = "@daily";
  return spec;
}

Champion Third() {
  Champion champion;
  champion.version = 3;
  champion.sweep = "digits-7";
  champion.params = {{"lr", 0.5}, {"epochs", 9}};
  return champion;
}

std::vector<std::string> Decided(const Plan& plan) {
  std::vector<std::string> texts;
  for (const Step& step : plan.steps) texts.push_back(step.decided);
  return texts;
}

TEST(PlanRetraining, BeginsWithTheChampionAndMustBeBetter) {
  const Plan plan = PlanRetraining(Spec(), {}, Third(), 5);
  ASSERT_THAT(plan.spec.warm_start, SizeIs(1));
  EXPECT_EQ(plan.spec.warm_start[0].sweep, "digits-7");
  ASSERT_THAT(plan.spec.enqueue, SizeIs(1));
  EXPECT_EQ(plan.spec.enqueue[0], (boost::json::object{{"lr", 0.5}})) << "epochs does not vary";
  ASSERT_THAT(plan.spec.model->gates, SizeIs(1));
  EXPECT_EQ(plan.spec.model->gates[0].better_than, "champion");
  EXPECT_EQ(plan.spec.model->gates[0].metric, "test/accuracy");
  EXPECT_EQ(plan.spec.model->promote, "champion");
  EXPECT_FALSE(plan.spec.retrain);
  EXPECT_THAT(Decided(plan), ElementsAre("begins with its parameters and the trials of its sweep",
                                         "adds the gate better than champion on test/accuracy"));
  EXPECT_EQ(plan.steps[0].time_unix, 5);
}

TEST(PlanRetraining, WhatTheFileSays_Stands) {
  wire::SweepSpec spec = Spec();
  spec.enqueue.push_back({{"lr", 0.2}});
  spec.model->gates.push_back({.metric = "test/loss", .better_than = "steady"});
  const Plan plan = PlanRetraining(spec, {}, Third(), 5);
  EXPECT_THAT(plan.spec.warm_start, IsEmpty());
  EXPECT_THAT(plan.spec.enqueue, SizeIs(1));
  EXPECT_THAT(plan.spec.model->gates, SizeIs(1));
  EXPECT_THAT(plan.steps, IsEmpty());
}

TEST(PlanRetraining, TurnedOff_AndNobodyThere) {
  Plan plan = PlanRetraining(Spec(), {.warm_start = false, .compare = false}, Third(), 5);
  EXPECT_THAT(plan.steps, IsEmpty());
  plan = PlanRetraining(Spec(), {}, {}, 5);
  EXPECT_THAT(plan.spec.enqueue, IsEmpty());
  EXPECT_THAT(plan.spec.model->gates, SizeIs(1)) << "nobody to beat passes, and says so";
  wire::SweepSpec odd = Spec();
  odd.objective.metric = "validation/my own figure";
  plan = PlanRetraining(odd, {}, {}, 5);
  EXPECT_THAT(plan.spec.model->gates, IsEmpty());
  EXPECT_THAT(plan.steps.at(0).why, HasSubstr("test/my own figure is no metric of gates"));
  Champion compared = Third();
  compared.compared = true;
  EXPECT_THAT(PlanRetraining(Spec(), {}, compared, 5).spec.model->gates, IsEmpty())
      << "the model's gate file does";
}

TEST(PlanRetraining, WithACanary_WhatPassesIsTheChallenger) {
  const Plan plan = PlanRetraining(Spec(), {.canary = true}, Third(), 5);
  EXPECT_EQ(plan.spec.model->promote, "challenger");
  EXPECT_EQ(plan.spec.model->gates.at(0).better_than, "champion");
}

TEST(FindChampion, KnowsWhatItWasMadeOf) {
  const FakeClock clock;
  MemoryModelStore models(clock);
  EXPECT_EQ(FindChampion(models, "digits", "champion")->version, 0) << "no such model";
  ASSERT_TRUE(models.CreateModel("digits", "", {}, {}).ok());
  ASSERT_TRUE(
      models.CreateVersion({.name = "digits", .tags = {{"muster.lineage", "s/promotion"}}}, {})
          .ok());
  ASSERT_TRUE(models
                  .AppendAudit("version.lineage", "digits", 1,
                               R"({"sweep": "s", "params": {"lr": 1}})", {}, "s/promotion/lineage")
                  .ok());
  ASSERT_TRUE(models.SetAlias("digits", "champion", 1, {}).ok());
  auto champion = FindChampion(models, "digits", "champion");
  EXPECT_EQ(champion->version, 1);
  EXPECT_EQ(champion->sweep, "s");
  EXPECT_EQ(champion->params, (boost::json::object{{"lr", 1}}));
  EXPECT_FALSE(champion->compared);
  ASSERT_TRUE(models.CreateVersion({.name = "digits"}, {}).ok());
  ASSERT_TRUE(models.SetAlias("digits", "champion", 2, {}).ok());
  ASSERT_TRUE(models
                  .SetGateFile("digits", "x",
                               R"([{"metric":"test/accuracy","better_than":"champion"}])", {})
                  .ok());
  champion = FindChampion(models, "digits", "champion");
  EXPECT_EQ(champion->sweep, "") << "a person registered it";
  EXPECT_TRUE(champion->compared);
}

}  // namespace
}  // namespace muster::registry
