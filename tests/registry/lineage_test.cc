#include "registry/lineage.h"

#include <gmock/gmock.h>

#include "registry/memory_model_store.h"
#include "runtime/base/clock.h"

namespace muster::registry {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

Lineage Made() {
  Lineage lineage;
  lineage.sweep = "s-1";
  lineage.trial = "s-1/3";
  lineage.data = {{"train", "/d/train.h5"}, {"test", "/d/test.h5"}};
  lineage.code = {.commit = "0123456789abcdef0123456789abcdef01234567",
                  .dirty = true,
                  .diff_sha256 = "ff",
                  .diff = "--- a\n+++ b\n"};
  ExportInfo info;
  info.metrics = {{"test/f1", 0.5}};
  info.data = {{"train", {"/d/train.h5", "aaaaaaaa1", false}}, {"test", {"/d/test.h5", "", true}}};
  info.environment = {{"libtorch", "2.11.0"}, {"attempt", "2"}};
  AddExport(info, lineage);
  return lineage;
}

TEST(Lineage, OfAnExport_HoldsWhatItSays) {
  const Lineage lineage = Made();
  EXPECT_EQ(lineage.attempt, 2);
  EXPECT_EQ(lineage.environment.size(), 1U);
  const auto json = LineageJson(lineage);
  EXPECT_EQ(json.at("data_digests").as_object().at("train").as_string(), "aaaaaaaa1");
  EXPECT_FALSE(json.at("data_digests").as_object().contains("test"));
  EXPECT_EQ(json.at("data_changed").as_array().at(0).as_string(), "test");
  EXPECT_EQ(json.at("metrics").as_object().at("test/f1").as_double(), 0.5);
  EXPECT_EQ(json.at("code").as_object().at("diff_sha256").as_string(), "ff");
  EXPECT_FALSE(json.at("code").as_object().contains("diff")) << "the package has it as a file";
}

std::vector<std::int64_t> Found(ModelStore& store, const LineageQuery& query) {
  const auto filters = LineageFilters(query);
  EXPECT_TRUE(filters.ok()) << filters.error().message;
  std::vector<std::int64_t> versions;
  for (const std::string& filter : *filters) {
    const auto page = store.SearchVersions({filter, {"version_number ASC"}, 100, ""});
    EXPECT_TRUE(page.ok()) << filter << ": " << page.error().message;
    for (const auto& version : page->items) versions.push_back(version.version);
  }
  return versions;
}

TEST(Lineage, Down_FindsWhatCameFromIt) {
  FakeClock clock;
  MemoryModelStore store(clock);
  ASSERT_TRUE(store.CreateModel("m", "", {}, {}).ok());
  Lineage lineage = Made();
  const auto make = [&](const std::string& request) {
    return store.CreateVersion({.name = "m", .tags = LineageTags(lineage, request)}, {}).ok();
  };
  ASSERT_TRUE(make("s-1/promotion"));
  lineage.data_digests = {{"train", "bbbbbbbb2"}, {"test", "aaaaaaaa1"}};
  ASSERT_TRUE(make("s-2/promotion"));
  lineage.sweep = "s-10";
  lineage.code.commit = "fedcba9876543210";
  ASSERT_TRUE(make("s-10/promotion"));
  EXPECT_THAT(Found(store, {.data = "aaaaaaaa1"}), testing::UnorderedElementsAre(1, 2, 3));
  EXPECT_THAT(Found(store, {.data = "bbbbbbb"}), ElementsAre(2, 3));
  EXPECT_THAT(Found(store, {.commit = "0123456"}), ElementsAre(1, 2));
  EXPECT_THAT(Found(store, {.sweep = "s-1"}), ElementsAre(1, 2)) << "and not s-10";
  EXPECT_EQ(*LineageRequest(*store.GetVersion("m", 2)), LineageRequest("s-2/promotion"));
  ASSERT_TRUE(store.CreateVersion({.name = "m"}, {}).ok());
  EXPECT_THAT(LineageRequest(*store.GetVersion("m", 4)).error().message,
              HasSubstr("no promotion of a sweep made it"));
}

TEST(Lineage, WrongQueries_SayWhatIsWanted) {
  const auto refusal = [](const LineageQuery& query) {
    const auto filters = LineageFilters(query);
    return filters.ok() ? "" : filters.error().message;
  };
  EXPECT_THAT(refusal({}), HasSubstr("exactly one of data, commit and sweep"));
  EXPECT_THAT(refusal({.data = "aaaaaaa", .sweep = "s"}), HasSubstr("exactly one"));
  EXPECT_THAT(refusal({.commit = "abc"}), HasSubstr("commit 'abc'; wanted 7 or more"));
  EXPECT_THAT(refusal({.data = "%aaaaaaa"}), HasSubstr("hexadecimal"));
  EXPECT_THAT(refusal({.sweep = "a' OR 'b"}), HasSubstr("is no sweep's id"));
}

}  // namespace
}  // namespace muster::registry
