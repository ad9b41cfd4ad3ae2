#include "tuner/study.h"

#include <gtest/gtest.h>

#include "tests/tuner/search_rig.h"

namespace muster::tuner {
namespace {

constexpr const char* kLine = R"({"x":{"float":[0,1]}})";

Study Make(std::int64_t trials = 0) {
  SearchSpec spec = SpecOf("random", kLine, 1);
  spec.trials = trials;
  return std::move(*Study::Make(spec));
}

TEST(Study, WrongCalls_AreRefusedAndChangeNothing) {
  Study study = Make();
  ASSERT_TRUE(study.Ask().ok());
  const auto before = study.history().position();
  EXPECT_EQ(study.Tell(1, {TrialState::kComplete, {1}}).error().message,
            "at trial: there is no trial 1; the newest is 0");
  EXPECT_EQ(study.Tell(0, {TrialState::kComplete, {}}).error().message,
            "at values: wanted 1 of a complete trial, one an objective, got 0");
  EXPECT_EQ(study.Tell(0, {TrialState::kRunning, {}}).error().message,
            "at state: wanted one of complete, pruned, failed, lost, got running");
  EXPECT_EQ(study.Report(0, -1, {1}).error().message, "at step: wanted 0 or more, got -1");
  EXPECT_EQ(study.Report(0, 1, {}).error().kind, ErrorKind::kInvalid);
  EXPECT_EQ(study.Enqueue({{"x", 2.0}}).error().message,
            "at params: at x: wanted a number from 0 to 1, got 2");
  EXPECT_EQ(study.Import({{"x", 0.5}}, {TrialState::kComplete, {1}}, 1).error().kind,
            ErrorKind::kConflict);
  EXPECT_EQ(study.history().position(), before);
  ASSERT_TRUE(study.Tell(0, {TrialState::kComplete, {1}}).ok());
  EXPECT_EQ(study.Tell(0, {TrialState::kComplete, {2}}).error().message,
            "at trial: 0 is complete; wanted one that runs");
}

TEST(Study, EnqueuedTrialsComeFirst) {
  Study study = Make();
  ASSERT_TRUE(study.Enqueue({{"x", 0.25}}).ok());
  const auto asked = study.Ask();
  EXPECT_EQ(asked->params.at("x"), ParamValue(0.25));
  EXPECT_EQ(asked->by, "enqueued");
  EXPECT_EQ(study.Ask()->by, "random");
}

TEST(Study, ASpentBudgetEndsIt) {
  Study study = Make(1);
  ASSERT_TRUE(study.Ask().ok());
  const auto next = study.Ask();
  EXPECT_EQ(next.error().kind, ErrorKind::kResource);
  EXPECT_EQ(next.error().message, "budget spent: all of its 1 trials were asked for");
}

TEST(Study, MistakesInItsDefinition_AreNamed) {
  SearchSpec spec = SpecOf("bayes", kLine, 1);
  EXPECT_EQ(Study::Make(spec).error().kind, ErrorKind::kInvalid);
  spec.sampler = "random";
  spec.stop = boost::json::parse(R"({"asha":{}})").as_object();
  EXPECT_EQ(Study::Make(spec).error().message,
            "at stop.asha.max: missing; it is the last step of a whole trial");
}

}  // namespace
}  // namespace muster::tuner
