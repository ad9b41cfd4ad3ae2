#include <gmock/gmock.h>

#include <cmath>

#include "runtime/base/random.h"
#include "tests/contract/run_store_contract.h"

/// Searches in muster's own language (runtime/filter/expression.h), and what only they can ask.

namespace muster::tracker {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

namespace {

std::vector<std::string> Names(RunStore& store, SearchQuery query) {
  query.experiment_ids = {"0"};
  query.own_language = true;
  const auto page = store.SearchRuns(query);
  if (!page) return {page.error().message};
  std::vector<std::string> names;
  for (const tracker::Run& run : page->items) names.push_back(run.info.run_name);
  return names;
}

std::vector<std::string> Where(RunStore& store, std::string filter,
                               std::vector<std::string> order_by = {}) {
  return Names(store, {.filter = std::move(filter), .order_by = std::move(order_by)});
}

/// A random filter, and what it says of a run: text and truth are made side by side.
struct Said {
  std::string text;
  std::vector<bool> holds;  // of each run
};
struct Known {
  double a = 0, b = 0;  // NaN: has no such metric
  std::string p;        // empty: no such param
};

Said RandomClause(Random& random, const std::vector<Known>& runs) {
  const auto bound = static_cast<double>(random.Below(5));
  const std::string letter(1, static_cast<char>('x' + random.Below(3)));
  const std::uint64_t kind = random.Below(4);
  const std::string texts[] = {"metrics.a > " + std::to_string(bound),
                               "max(metrics.b) <= " + std::to_string(bound),
                               "params.p = '" + letter + "'", "params.p IS NULL"};
  Said said{texts[kind], {}};
  for (const Known& run : runs) {
    const bool truths[] = {run.a > bound, run.b <= bound, run.p == letter, run.p.empty()};
    said.holds.push_back(truths[kind]);
  }
  return said;
}

Said RandomFilter(Random& random, const std::vector<Known>& runs, int depth) {
  const std::uint64_t kind = depth == 0 ? 0 : random.Below(4);
  if (kind == 0) return RandomClause(random, runs);
  Said said = RandomFilter(random, runs, depth - 1);
  if (kind == 1) {
    said.text = "NOT (" + said.text + ")";
    said.holds.flip();
    return said;
  }
  const Said other = RandomFilter(random, runs, depth - 1);
  said.text = "(" + said.text + (kind == 2 ? ") AND (" : ") or (") + other.text + ")";
  for (std::size_t i = 0; i < runs.size(); ++i) {
    said.holds[i] = kind == 2 ? said.holds[i] && other.holds[i] : said.holds[i] || other.holds[i];
  }
  return said;
}

}  // namespace

TEST_P(RunStoreContract, OwnSearch_OrNotAndBrackets) {
  const RunId a = CreateRun("a", 10).info.run_id;
  const RunId b = CreateRun("b", 20).info.run_id;
  CreateRun("c", 30);
  ASSERT_TRUE(Log(a, {.metrics = {{.key = "m", .value = 1}}, .params = {{"p", "x"}}}).ok());
  ASSERT_TRUE(Log(b, {.metrics = {{.key = "m", .value = 2}}}).ok());
  EXPECT_THAT(Where(*store_, "metrics.m = 1 OR metrics.m = 2"), ElementsAre("b", "a"));
  EXPECT_THAT(Where(*store_, "NOT metrics.m = 1"), ElementsAre("c", "b"));
  EXPECT_THAT(Where(*store_, "NOT (params.p = 'x' OR start_time > 20)"), ElementsAre("b"));
  EXPECT_THAT(Where(*store_, "NOT end_time > 0 AND NOT run_name = 'a'"), ElementsAre("c", "b"));
  EXPECT_THAT(Where(*store_, "metrics.m > 0 AND params.p = 'x'"), ElementsAre("a"));
  // Only where it is asked for.
  EXPECT_THAT(Search("metrics.m = 1 OR metrics.m = 2"),
              ElementsAre(HasSubstr("Invalid clause(s) in filter string: 'OR'")));
}

TEST_P(RunStoreContract, OwnSearch_FunctionsLookAtTheWholeHistory) {
  const RunId up = CreateRun("up", 10).info.run_id;
  const RunId down = CreateRun("down", 20).info.run_id;
  const RunId nan = CreateRun("nan", 30).info.run_id;
  const RunId inf = CreateRun("inf", 40).info.run_id;
  CreateRun("none", 50);
  Batch rising, falling;
  for (std::int64_t step = 0; step < 2'500; ++step) {
    const auto value = static_cast<double>(step);
    rising.metrics.push_back({.key = "m", .value = value, .timestamp_ms = step, .step = step});
    falling.metrics.push_back({.key = "m", .value = -value, .timestamp_ms = step, .step = step});
  }
  ASSERT_TRUE(Log(up, rising).ok());
  ASSERT_TRUE(Log(down, falling).ok());
  ASSERT_TRUE(Log(nan, {.metrics = {{.key = "m", .value = kNan, .step = 7}}}).ok());
  ASSERT_TRUE(Log(inf, {.metrics = {{.key = "m", .value = kInfinity, .step = 1},
                                    {.key = "m", .value = 3, .step = 2}}})
                  .ok());
  EXPECT_THAT(Where(*store_, "max(metrics.m) >= 2499"), ElementsAre("inf", "up"));
  EXPECT_THAT(Where(*store_, "min(metrics.m) < 0"), ElementsAre("down"));
  EXPECT_THAT(Where(*store_, "max(metrics.m) = 0"), ElementsAre("down"));
  EXPECT_THAT(Where(*store_, "step(metrics.m) < 10"), ElementsAre("inf", "nan"));
  EXPECT_THAT(Where(*store_, "last(metrics.m) = 3"), ElementsAre("inf"));
  EXPECT_THAT(Where(*store_, "", {"max(metrics.m) DESC"}),
              ElementsAre("inf", "up", "down", "none", "nan"));
  EXPECT_THAT(Where(*store_, "", {"min(metrics.m)", "run_name"}),
              ElementsAre("down", "up", "inf", "nan", "none"));
}

TEST_P(RunStoreContract, OwnSearch_HiddenPointsCountForNothing) {
  const RunId run = CreateRun("r").info.run_id;
  const auto point = [](double value, std::int64_t step, std::int64_t attempt) {
    return Metric{.key = "m", .value = value, .step = step, .attempt = attempt};
  };
  ASSERT_TRUE(Log(run, {.metrics = {point(1, 1, 1), point(100, 2, 1), point(-100, 3, 1)}}).ok());
  ASSERT_TRUE(Resume(run, 2, 1).ok());
  EXPECT_THAT(Where(*store_, "max(metrics.m) > 1 OR min(metrics.m) < 1"), IsEmpty());
  ASSERT_TRUE(Log(run, {.metrics = {point(100, 2, 1), point(5, 2, 2)}}).ok());
  EXPECT_THAT(Where(*store_, "max(metrics.m) = 5 AND min(metrics.m) = 1"), ElementsAre("r"));
}

TEST_P(RunStoreContract, OwnSearch_RandomFilters_AsTheirTruth) {
  std::vector<Known> runs;
  Random random(7);
  for (std::int64_t i = 0; i < 40; ++i) {
    Known known;
    known.a = random.Chance(0.3) ? kNan : static_cast<double>(random.Below(6));
    known.b = random.Chance(0.3) ? kNan : static_cast<double>(random.Below(6));
    if (random.Chance(0.7)) known.p = std::string(1, static_cast<char>('x' + random.Below(3)));
    Batch batch;
    if (!std::isnan(known.a)) batch.metrics.push_back({.key = "a", .value = known.a});
    if (!std::isnan(known.b)) batch.metrics.push_back({.key = "b", .value = known.b});
    if (!known.p.empty()) batch.params.push_back({"p", known.p});
    ASSERT_TRUE(Log(CreateRun(std::to_string(i), -i).info.run_id, batch).ok());
    runs.push_back(known);
  }
  for (int round = 0; round < 200; ++round) {
    const Said said = RandomFilter(random, runs, 4);
    std::vector<std::string> wanted;
    for (std::size_t i = 0; i < runs.size(); ++i) {
      if (said.holds[i]) wanted.push_back(std::to_string(i));
    }
    ASSERT_EQ(Where(*store_, said.text), wanted) << said.text;
  }
}

TEST_P(RunStoreContract, Search_AnswersTheWantedPartsAndTheTotal) {
  for (int i = 0; i < 5; ++i) {
    const RunId run = CreateRun("r" + std::to_string(i), i).info.run_id;
    ASSERT_TRUE(Log(run, {.metrics = {{.key = "a", .value = 1}, {.key = "b", .value = 2}},
                          .params = {{"p", "1"}},
                          .tags = {{"t", "1"}}})
                    .ok());
    if (i > 0) continue;
    ASSERT_TRUE(Wait([&](Done done) { store_->SetRunDeleted(run, true, done); }).ok());
  }
  SearchQuery query{.experiment_ids = {"0"}, .filter = "start_time > 1", .max_results = 2};
  query.count = true;
  query.parts = {.metrics = {{"b", "none"}}, .params = {{}}, .links = false};
  const auto page = store_->SearchRuns(query);
  ASSERT_TRUE(page.ok());
  EXPECT_EQ(page->total, 3);
  ASSERT_EQ(page->items.size(), 2U);
  const tracker::Run& run = page->items.front();
  EXPECT_EQ(run.info.run_name, "r4");
  ASSERT_EQ(run.metrics.size(), 1U);
  EXPECT_EQ(run.metrics.front().key, "b");
  EXPECT_THAT(run.params, IsEmpty());
  EXPECT_EQ(run.tags.size(), 2U);  // and its name
  query.count = false;
  EXPECT_FALSE(store_->SearchRuns(query)->total.has_value());
}

}  // namespace muster::tracker
