#include "tests/contract/run_store_contract.h"

#include <gmock/gmock.h>

namespace muster::tracker {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

TEST_P(RunStoreContract, Search_FiltersLikeMlflow) {
  const RunId a = CreateRun("apple", 10).info.run_id;
  const RunId b = CreateRun("Banana", 20).info.run_id;
  const RunId c = CreateRun("cherry", 30).info.run_id;
  ASSERT_TRUE(Log(a, {.metrics = {{.key = "m", .value = 1}}, .params = {{"p", "x"}}}).ok());
  ASSERT_TRUE(Log(b, {.metrics = {{.key = "m", .value = kNan}}, .tags = {{"x y", "1"}}}).ok());
  ASSERT_TRUE(Log(c, {.metrics = {{.key = "m", .value = 2}, {.key = "inf", .value = kInfinity}},
                      .params = {{"p", "Y"}}})
                  .ok());
  EXPECT_THAT(Search(""), ElementsAre("cherry", "Banana", "apple"));
  EXPECT_THAT(Search("metrics.m >= 1"), ElementsAre("cherry", "apple"));
  EXPECT_THAT(Search("metrics.m != 1"), ElementsAre("cherry", "Banana"));
  EXPECT_THAT(Search("metrics.m = 0"), IsEmpty());
  EXPECT_THAT(Search("metrics.inf > 1e300"), ElementsAre("cherry"));
  EXPECT_THAT(Search("params.p != 'x'"), ElementsAre("cherry"));
  EXPECT_THAT(Search("params.p IS NULL"), ElementsAre("Banana"));
  EXPECT_THAT(Search("params.p IS NOT NULL AND params.p ILIKE 'y'"), ElementsAre("cherry"));
  EXPECT_THAT(Search("tags.`x y` = '1'"), ElementsAre("Banana"));
  EXPECT_THAT(Search("run_name LIKE '%an%'"), ElementsAre("Banana"));
  EXPECT_THAT(Search("attributes.`Run Name` ILIKE 'b%'"), ElementsAre("Banana"));
  EXPECT_THAT(Search("run_id IN ('" + a.value + "', \"" + c.value + "\")"),
              ElementsAre("cherry", "apple"));
  EXPECT_THAT(Search("run_id NOT IN ('" + a.value + "')"), ElementsAre("cherry", "Banana"));
  EXPECT_THAT(Search("start_time > 10 AND start_time <= 20"), ElementsAre("Banana"));
  EXPECT_THAT(Search("status = 'RUNNING'").size(), 3u);
  EXPECT_THAT(Search("status = 'running'"), IsEmpty());
  EXPECT_THAT(Search("end_time > 0"), IsEmpty());
  EXPECT_THAT(Search("user_id = 'ada'").size(), 3u);
  EXPECT_THAT(Search("foo.bar = 1"), ElementsAre(HasSubstr("Invalid entity type 'foo'")));
}

TEST_P(RunStoreContract, Search_OrdersWithMissingKeysAndNanLast) {
  const RunId a = CreateRun("a", 10).info.run_id;
  const RunId b = CreateRun("b", 20).info.run_id;
  const RunId c = CreateRun("c", 30).info.run_id;
  CreateRun("d", 40);
  ASSERT_TRUE(Log(a, {.metrics = {{.key = "m", .value = 1}}, .params = {{"p", "10"}}}).ok());
  ASSERT_TRUE(Log(b, {.metrics = {{.key = "m", .value = kNan}}, .params = {{"p", "9"}}}).ok());
  ASSERT_TRUE(Log(c, {.metrics = {{.key = "m", .value = -2}}}).ok());
  EXPECT_THAT(Search("", {"metrics.m ASC"}), ElementsAre("c", "a", "b", "d"));
  EXPECT_THAT(Search("", {"metrics.m DESC"}), ElementsAre("a", "c", "b", "d"));
  EXPECT_THAT(Search("", {"params.p"}), ElementsAre("a", "b", "d", "c"));
  EXPECT_THAT(Search("", {"params.p DESC", "run_name ASC"}), ElementsAre("b", "a", "c", "d"));
  EXPECT_THAT(Search("", {"attributes.start_time ASC"}), ElementsAre("a", "b", "c", "d"));
  EXPECT_THAT(Search("", {"end_time", "tags.`mlflow.runName` DESC"}),
              ElementsAre("d", "c", "b", "a"));
}

/// Pages of every size, over the bounds between values, NaN and missing ones, with ties, are the whole in order.
TEST_P(RunStoreContract, Search_ByAMetric_PagesAreTheWholeInOrder) {
  const double kValues[] = {3, kNan, 1, 3, -kInfinity, 2, kNan, kInfinity, 1};
  std::int64_t start = 0;
  for (const double value : kValues) {
    const tracker::Run run = CreateRun("with-" + std::to_string(start), start);
    ASSERT_TRUE(Log(run.info.run_id, {.metrics = {{.key = "m", .value = value}},
                                      .params = {{"odd", start % 2 == 1 ? "yes" : "no"}}})
                    .ok());
    ++start;
  }
  for (; start < 13; ++start) CreateRun("without-" + std::to_string(start), start);
  const std::vector<std::string> rest = {"with-6",     "with-1",     "without-12",
                                         "without-11", "without-10", "without-9"};
  const auto all = [&](std::vector<std::string> values) {
    values.insert(values.end(), rest.begin(), rest.end());
    return values;
  };
  const auto ascending =
      all({"with-4", "with-8", "with-2", "with-5", "with-3", "with-0", "with-7"});
  const auto descending =
      all({"with-7", "with-3", "with-0", "with-5", "with-8", "with-2", "with-4"});
  EXPECT_EQ(Search("", {"metrics.m"}), ascending);
  EXPECT_EQ(Search("", {"metrics.m DESC"}), descending);
  EXPECT_THAT(Search("start_time > 10", {"metrics.m DESC"}),
              ElementsAre("without-12", "without-11"));
  EXPECT_THAT(Search("start_time < 5 AND start_time > 0", {"metrics.m DESC", "run_name"}),
              ElementsAre("with-3", "with-2", "with-4", "with-1"));
  EXPECT_THAT(Search("params.odd = 'yes'", {"metrics.m DESC"}),
              ElementsAre("with-7", "with-3", "with-5", "with-1"));
  for (std::int64_t size = 1; size <= 14; ++size) {
    std::vector<std::string> names;
    SearchQuery query{.experiment_ids = {"0"}, .order_by = {"metrics.m DESC"}, .max_results = size};
    do {
      const auto page = store_->SearchRuns(query);
      ASSERT_TRUE(page.ok()) << page.error().message;
      for (const tracker::Run& run : page->items) names.push_back(run.info.run_name);
      query.page_token = page->next_page_token;
    } while (!query.page_token.empty());
    EXPECT_EQ(names, descending) << "pages of " << size;
  }
}

TEST_P(RunStoreContract, Search_PagesViewsAndExperiments) {
  ASSERT_TRUE(CreateExperiment("e").ok());
  CreateRun("other", 0, "1");
  for (int i = 0; i < 5; ++i) CreateRun("r" + std::to_string(i), i);
  const RunId gone = CreateRun("gone", 9).info.run_id;
  ASSERT_TRUE(Wait([&](Done done) { store_->SetRunDeleted(gone, true, done); }).ok());
  SearchQuery query{.experiment_ids = {"0"}, .max_results = 2};
  std::vector<std::string> names;
  do {
    const auto page = store_->SearchRuns(query);
    ASSERT_TRUE(page.ok());
    for (const tracker::Run& run : page->items) names.push_back(run.info.run_name);
    query.page_token = page->next_page_token;
  } while (!query.page_token.empty());
  EXPECT_THAT(names, ElementsAre("r4", "r3", "r2", "r1", "r0"));
  const auto count = [&](ViewType view, std::vector<std::string> experiments) {
    return store_->SearchRuns({.experiment_ids = std::move(experiments), .view = view})
        ->items.size();
  };
  EXPECT_EQ(count(ViewType::kDeletedOnly, {"0"}), 1u);
  EXPECT_EQ(count(ViewType::kAll, {"0", "1"}), 7u);
  EXPECT_EQ(count(ViewType::kAll, {}), 0u);
  EXPECT_FALSE(store_->SearchRuns({.experiment_ids = {"x"}}).ok());
}

}  // namespace muster::tracker
