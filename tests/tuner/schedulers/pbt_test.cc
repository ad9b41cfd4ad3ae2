#include "tuner/schedulers/pbt.h"

#include <gtest/gtest.h>

#include <map>
#include <set>

#include "tests/tuner/schedulers/schedule_rig.h"

namespace muster::tuner {
namespace {

using Kind = Choice::Kind;

constexpr const char* kWild =
    R"({"lr":{"float":[1e-6,10],"log":true},"x":{"float":[-3,2]},"half":{"float":[0,0.5],"step":0.05},
        "width":{"int":[16,512],"log":true,"q":16},"layers":{"int":[1,3]},"one":{"int":[4,4]},
        "optimizer":{"choice":["adamw","sgd","lion"]},"only":{"choice":["this"]},
        "momentum":{"float":[0.5,0.99],"when":{"optimizer":["sgd","lion"]}},
        "nesterov":{"choice":[true,false],"when":{"optimizer":"sgd"}},
        "dampening":{"float":[0,0.9],"when":{"nesterov":false}}})";

TEST(Perturb, StaysInTheSpace_TenThousandTimes) {
  const auto space = Parse(kWild);
  for (const double resample : {0.0, 0.25}) {
    Point point = space->Draw(Random(1));
    std::set<Params> seen;
    for (std::uint64_t i = 0; i < 10'000; ++i) {
      point = Perturb(*space, point, {.resample = resample, .factor = {0.5, 3}}, Random(2, i));
      const Params params = space->Decode(point);
      const Status status = space->Check(params);
      ASSERT_TRUE(status.ok()) << status.error().message;
      seen.insert(params);
    }
    EXPECT_GT(seen.size(), 3000U);
  }
}

TEST(Perturb, MultipliesWhereLog_MovesByAShareElsewhere_AndByOneValueAtLeast) {
  const auto space = Parse(R"({"lr":{"float":[1e-4,1],"log":true},"x":{"float":[0,10]},
                               "few":{"int":[0,5]},"choice":{"choice":["a","b","c"]}})");
  const Point from = space->Encode(
      {{"lr", 0.01}, {"x", 5.0}, {"few", std::int64_t{2}}, {"choice", std::string("b")}});
  std::set<std::pair<std::int64_t, std::string>> discrete;
  std::set<double> rates, shares;
  for (std::uint64_t i = 0; i < 200; ++i) {
    const Params to = space->Decode(Perturb(*space, from, {.resample = 0}, Random(3, i)));
    rates.insert(std::round(At(to, "lr") * 1e9));
    shares.insert(std::round(At(to, "x") * 1e9));
    discrete.emplace(std::get<std::int64_t>(to.at("few")), std::get<std::string>(to.at("choice")));
  }
  EXPECT_EQ(rates, (std::set<double>{8e6, 12e6}));
  EXPECT_EQ(shares, (std::set<double>{3e9, 7e9}));
  EXPECT_EQ(discrete, (std::set<std::pair<std::int64_t, std::string>>{
                          {1, "a"}, {1, "c"}, {3, "a"}, {3, "c"}}));
}

TEST(Perturb, OneParameterDoesNotDependOnTheOthers_ButAChildIsDrawnAnewWithItsParent) {
  const auto space = Parse(kWild);
  const Params sgd{{"lr", 0.01},
                   {"x", 0.0},
                   {"half", 0.25},
                   {"width", std::int64_t{64}},
                   {"layers", std::int64_t{2}},
                   {"one", std::int64_t{4}},
                   {"optimizer", std::string("sgd")},
                   {"only", std::string("this")},
                   {"momentum", 0.9},
                   {"nesterov", false},
                   {"dampening", 0.1}};
  ASSERT_TRUE(space->Check(sgd).ok());
  Params adam = sgd;
  adam["optimizer"] = std::string("adamw");
  for (const char* child : {"momentum", "nesterov", "dampening"}) adam.erase(child);
  std::set<double> momenta;
  for (std::uint64_t i = 0; i < 50; ++i) {
    const Params a =
        space->Decode(Perturb(*space, space->Encode(sgd), {.resample = 0}, Random(3, i)));
    const Params b =
        space->Decode(Perturb(*space, space->Encode(adam), {.resample = 0}, Random(3, i)));
    EXPECT_EQ(a.at("lr"), b.at("lr"));
    EXPECT_EQ(a.at("layers"), b.at("layers"));
    if (a.contains("momentum")) momenta.insert(At(a, "momentum"));  // sgd has become lion
  }
  EXPECT_GT(momenta.size(), 5U);  // not the two that the factors make
}

SearchSpec Population(const char* options, std::int64_t trials = 0) {
  SearchSpec spec = StopSpec(options, trials);
  spec.space = Parse(kWild);
  return spec;
}

TEST(Pbt, TheWorstStops_AndACloneOfTheBestTakesItsPlaceFromItsLastStep) {
  const SearchSpec spec =
      Population(R"({"pbt":{"interval":10,"population":4,"quantile":0.25,"resample":0}})");
  auto pbt = SchedulerOf(spec);
  History history;
  for (int i = 0; i < 4; ++i) {
    EXPECT_EQ(pbt->Choose(i, history).kind, Kind::kSample);
    history.Start(i,
                  spec.space->Decode(spec.space->Draw(Random(1, static_cast<std::uint64_t>(i)))));
  }
  EXPECT_EQ(pbt->Choose(4, history).kind, Kind::kNothing);
  EXPECT_EQ(Obey(*pbt, history, 0, 10, 0.2), Verdict::kContinue);
  EXPECT_EQ(Obey(*pbt, history, 1, 10, 0.1), Verdict::kContinue);
  EXPECT_EQ(Obey(*pbt, history, 2, 10, 0.3), Verdict::kContinue);
  EXPECT_EQ(Obey(*pbt, history, 1, 20, 0.05), Verdict::kContinue);
  EXPECT_EQ(Obey(*pbt, history, 1, 25, 0.04), Verdict::kContinue);  // between intervals
  EXPECT_EQ(Obey(*pbt, history, 3, 10, 0.4), Verdict::kStop);       // the worst of 4
  const Choice clone = pbt->Choose(4, history);
  EXPECT_EQ(clone.kind, Kind::kClone);
  EXPECT_EQ(clone.trial, 1);
  EXPECT_EQ(clone.step, 20);  // its last at an interval
  EXPECT_TRUE(spec.space->Check(clone.params).ok());
  EXPECT_NE(clone.params, history.At(1).params);
  history.Start(4, clone.params);
  EXPECT_EQ(pbt->Choose(5, history).kind, Kind::kNothing);

  // Its donor's checkpoint is held until it has one of its own.
  history.Finish(1, {TrialState::kComplete, {0.01}, {}});
  EXPECT_TRUE(pbt->NeedsCheckpoint(1, history));
  EXPECT_EQ(Obey(*pbt, history, 4, 30, 0.03), Verdict::kContinue);
  EXPECT_FALSE(pbt->NeedsCheckpoint(1, history));
}

TEST(Pbt, WithoutADonorThatRunsThePlaceIsTheSamplers) {
  const SearchSpec spec = Population(R"({"pbt":{"interval":1,"population":2,"quantile":0.5}})");
  auto pbt = SchedulerOf(spec);
  History history;
  EXPECT_EQ(Obey(*pbt, history, 0, 1, 0.1), Verdict::kContinue);
  history.Finish(0, {TrialState::kComplete, {0.1}, {}});
  EXPECT_EQ(Obey(*pbt, history, 1, 1, 0.2), Verdict::kStop);
  EXPECT_EQ(pbt->Choose(2, history).kind, Kind::kSample);
}

TEST(Pbt, NaNStopsAtOnce_AndATrialThatBrokeIsReplaced) {
  const SearchSpec spec = Population(R"({"pbt":{"interval":1,"population":3}})");
  auto pbt = SchedulerOf(spec);
  History history;
  const auto start = [&] {
    history.Start(history.size(), spec.space->Decode(spec.space->Draw(Random(5))));
  };
  for (int i = 0; i < 3; ++i) start();
  EXPECT_EQ(Obey(*pbt, history, 0, 1, 0.1), Verdict::kContinue);
  EXPECT_EQ(Obey(*pbt, history, 1, 1, NAN), Verdict::kStop);
  EXPECT_EQ(Obey(*pbt, history, 2, 1, 0.2), Verdict::kContinue);
  EXPECT_EQ(pbt->Choose(3, history).kind, Kind::kClone);
  start();
  history.Finish(0, {TrialState::kFailed, {}, {}});
  const Choice clone = pbt->Choose(4, history);
  EXPECT_EQ(clone.kind, Kind::kClone);
  EXPECT_EQ(clone.trial, 2);  // 0 is no donor any more
}

TEST(Pbt, WithFewerSlotsThanMembersTheyTakeTurns) {
  SearchSpec spec = Population(R"({"pbt":{"interval":2,"population":4}})", 4);
  spec.parallel = 2;
  auto pbt = SchedulerOf(spec);
  const Played played = PlayOut(spec, *pbt, {.trials = 4, .workers = 2, .last_step = 12});
  std::int64_t pauses = 0;
  std::map<std::int64_t, std::int64_t> at, paused;
  for (const Change& change : played.history.changes()) {
    if (change.kind == ChangeKind::kReport) at[change.trial] = change.step;
    if (change.kind == ChangeKind::kPause) paused[change.trial] = at[change.trial];
    if (change.kind != ChangeKind::kResume) continue;
    ++pauses;
    for (const auto& [other, step] : paused) EXPECT_LE(paused[change.trial], step);
    paused.erase(change.trial);
  }
  EXPECT_GT(pauses, 4);
}

// Its last save is before the interval, as where a program ends with it.
TEST(Pbt, AMemberPausesAtAnIntervalOnce) {
  SearchSpec spec = Population(R"({"pbt":{"interval":2,"population":3}})", 3);
  spec.parallel = 1;
  auto pbt = SchedulerOf(spec);
  History history;
  EXPECT_EQ(Obey(*pbt, history, 0, 2, 0.1), Verdict::kPause);
  ASSERT_EQ(pbt->Choose(kNoNewTrial, history).kind, Kind::kResume);
  history.Resume(0);
  history.Rewind(0, 1);
  EXPECT_EQ(Obey(*pbt, history, 0, 2, 0.1), Verdict::kContinue);
  EXPECT_EQ(Obey(*pbt, history, 0, 4, 0.1), Verdict::kPause);
}

// A schedule that matters: the best learning rate falls with the step, which no constant one follows.
TEST(Pbt, FindsAScheduleThatNoFixedParameterHas) {
  SearchSpec spec = StopSpec(R"({"pbt":{"interval":2,"population":12}})", 400);
  spec.space = Parse(R"({"lr":{"float":[1e-4,1],"log":true}})");
  std::map<std::int64_t, double> state;  // what a trial has learnt at its last step
  std::map<std::int64_t, std::map<std::int64_t, double>> kept;
  double best = INFINITY;
  auto pbt = SchedulerOf(spec);
  History history;
  std::vector<std::int64_t> running;
  std::map<std::int64_t, std::int64_t> steps;
  for (int turn = 0; turn < 4000; ++turn) {
    for (Choice choice; running.size() < 12 && history.size() < 400;) {
      choice = pbt->Choose(history.size(), history);
      if (choice.kind == Kind::kNothing) break;
      const std::int64_t number = history.size();
      const bool clone = choice.kind == Kind::kClone;
      state[number] = clone ? kept[choice.trial].at(choice.step) : 0;
      steps[number] = clone ? choice.step : 0;
      history.Start(number, clone ? choice.params
                                  : spec.space->Decode(spec.space->Draw(
                                        Random(6, static_cast<std::uint64_t>(number)))));
      running.push_back(number);
    }
    if (running.empty()) break;
    const std::int64_t number = running[static_cast<std::size_t>(turn) % running.size()];
    const std::int64_t step = ++steps[number];
    const double wanted = -static_cast<double>(step) / 10;  // log10 of the best rate at this step
    state[number] -=
        std::exp(-std::pow(std::log10(At(history.At(number).params, "lr")) - wanted, 2));
    kept[number][step] = state[number];
    history.AddReport(number, step, std::array{state[number]});
    const Verdict verdict = pbt->Judge(number, history);
    if (verdict == Verdict::kContinue && step < 40) continue;
    best = std::min(best, state[number]);
    history.Finish(number, verdict == Verdict::kStop
                               ? Outcome{TrialState::kPruned, {}, {}}
                               : Outcome{TrialState::kComplete, {state[number]}, {}});
    std::erase(running, number);
  }
  double fixed = 0;  // the best that one rate can do
  for (int hundredths = -400; hundredths <= 0; ++hundredths) {
    const double lr = hundredths / 100.0;
    double sum = 0;
    for (int step = 1; step <= 40; ++step) sum -= std::exp(-std::pow(lr + step / 10.0, 2));
    fixed = std::min(fixed, sum);
  }
  EXPECT_LT(best, 1.2 * fixed);
}

}  // namespace
}  // namespace muster::tuner
