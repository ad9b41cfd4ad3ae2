#include "tuner/samplers/nsga2.h"

#include <gtest/gtest.h>

#include "tests/tuner/search_rig.h"
#include "tuner/insight/hypervolume.h"

namespace muster::tuner {
namespace {

using Objectives = std::function<Outcome(const Params&)>;

History SearchMany(const SearchSpec& spec, int trials, const Objectives& outcome,
                   std::size_t workers = 1) {
  auto sampler = *MakeSampler(spec);
  History history(spec.goals);
  std::int64_t ended = 0;
  for (std::int64_t n = 0; n < trials; ++n) {
    const auto suggested = sampler->Suggest(n, history);
    if (!suggested.ok()) break;
    history.Start(n, suggested->params);
    if (static_cast<std::size_t>(history.unfinished()) < workers) continue;
    history.Finish(ended, outcome(history.At(ended).params));
    ++ended;
  }
  for (; ended < history.size(); ++ended) history.Finish(ended, outcome(history.At(ended).params));
  return history;
}

double Volume(const History& history, const Losses& reference) {
  std::vector<Losses> points;
  for (const Trial& trial : history.trials()) {
    if (trial.state == TrialState::kComplete && trial.violation() == 0)
      points.push_back(trial.losses);
  }
  return Hypervolume(points, reference);
}

SearchSpec Two(const char* sampler, const char* space, std::uint64_t seed) {
  SearchSpec spec = SpecOf(sampler, space, seed);
  spec.goals = {Goal::kMinimize, Goal::kMinimize};
  return spec;
}

constexpr const char* kSix =
    R"({"a":{"float":[0,1]},"b":{"float":[0,1]},"c":{"float":[0,1]},"d":{"float":[0,1]},
        "e":{"float":[0,1]},"f":{"float":[0,1]}})";

/// ZDT1 of Zitzler, Deb and Thiele (2000).
Outcome Zdt1(const Params& params) {
  double sum = 0;
  for (const auto& [name, value] : params) sum += name == "a" ? 0 : std::get<double>(value);
  const double a = At(params, "a"), g = 1 + 9 * sum / static_cast<double>(params.size() - 1);
  return {TrialState::kComplete, {a, g * (1 - std::sqrt(a / g))}, {}};
}

TEST(Nsga2, GetsFurtherThanRandomDraws_AlsoWithManyWorkers) {
  for (const std::size_t workers : {1U, 16U}) {
    double nsga2 = 0, random = 0;
    for (std::uint64_t seed = 0; seed < 5; ++seed) {
      nsga2 += Volume(SearchMany(Two("nsga2", kSix, seed), 250, Zdt1, workers), {1.1, 6}) / 5;
      random += Volume(SearchMany(Two("random", kSix, seed), 250, Zdt1, workers), {1.1, 6}) / 5;
    }
    EXPECT_GT(nsga2, random + 0.5) << workers << " workers";
  }
}

TEST(Nsga2, HeedsConstraints) {
  const auto outcome = [](const Params& params) {
    Outcome result = Zdt1(params);
    result.constraints = {0.5 - At(params, "a")};
    return result;
  };
  const History history = SearchMany(Two("nsga2", kSix, 3), 200, outcome);
  int broken = 0;
  for (std::int64_t n = 150; n < 200; ++n) broken += history.At(n).violation() > 0 ? 1 : 0;
  EXPECT_LE(broken, 10);
}

TEST(Nsga2, FailuresAreBredOut) {
  const auto outcome = [](const Params& params) {
    return At(params, "b") < 0.5 ? Outcome{TrialState::kFailed, {}, {}} : Zdt1(params);
  };
  const History history = SearchMany(Two("nsga2", kSix, 3), 200, outcome);
  int failed = 0;
  for (std::int64_t n = 150; n < 200; ++n) failed += history.At(n).broke() ? 1 : 0;
  EXPECT_LE(failed, 25) << "half of the space, and the best is beside it";
}

TEST(Nsga2, ChildrenStayInConditionalSpaces) {
  const SearchSpec spec = Two("nsga2", kMixed, 5);
  const History history = SearchMany(spec, 150, [](const Params& params) {
    return Outcome{TrialState::kComplete, {MixedLoss(params), At(params, "width")}, {}};
  });
  for (const Trial& trial : history.trials()) {
    const Status status = spec.space->Check(trial.params);
    EXPECT_TRUE(status.ok()) << status.error().message;
  }
}

TEST(Nsga2, ATrialThatIsRunAgainIsOneIndividual) {
  const SearchSpec spec = Two("nsga2", kSix, 4);
  auto sampler = *MakeSampler(spec);
  History history = SearchMany(spec, 80, Zdt1);
  EXPECT_TRUE(sampler->Suggest(80, history).ok());
  history.Resume(70);
  history.Finish(70, {TrialState::kComplete, {-1, -1}, {}});
  const auto now = sampler->Suggest(80, history);
  EXPECT_EQ(now->params, (*MakeSampler(spec))->Suggest(80, history)->params);
}

}  // namespace
}  // namespace muster::tuner
