#include "tracker/mlflow/model_uri.h"

#include <gtest/gtest.h>

#include <limits>

#include "registry/memory_model_store.h"

namespace muster::tracker {
namespace {

TEST(ModelUri, WhichThingItNames) {
  EXPECT_EQ(ParseModelUri("models:/m-1")->model_id, "m-1");
  EXPECT_EQ(ParseModelUri("models:/m/12")->version, 12);
  EXPECT_EQ(ParseModelUri("models:/m/99999999999999999999")->version,
            std::numeric_limits<std::int64_t>::max());
  EXPECT_EQ(ParseModelUri("models:/m/Staging")->stage, "Staging");
  EXPECT_EQ(ParseModelUri("models:/m/LATEST")->stage, "");
  EXPECT_EQ(ParseModelUri("models:///a@b@c")->name, "a@b");
  EXPECT_EQ(ParseModelUri("models:/a@b@c")->alias, "c");
  for (const char* none : {"models:/", "models:m", "models:/m/1/x", "models:/m/ ", "models:/m@",
                           "models:/ /1", "runs:/m/1", "m"}) {
    EXPECT_FALSE(ParseModelUri(none)) << none;
  }
}

TEST(ModelUri, VersionOf_ByNumberStageAliasAndLatest) {
  FakeClock clock;
  registry::MemoryModelStore models(clock);
  const registry::Actor ada{"ada", ""};
  ASSERT_TRUE(models.CreateModel("m", "", {}, ada).ok());
  const auto number = [&](const char* uri) -> std::int64_t {
    const auto version = VersionOf(models, *ParseModelUri(uri));
    return version ? version->version : -1;
  };
  const auto why = [&](const char* uri) {
    return VersionOf(models, *ParseModelUri(uri)).error().message;
  };
  EXPECT_EQ(why("models:/m/latest"), "No versions of model with name 'm' found");
  for (int i = 0; i < 2; ++i) {
    ASSERT_TRUE(models.CreateVersion({.name = "m", .source = "s3://b/x"}, ada).ok());
  }
  ASSERT_TRUE(models.TransitionStage("m", 1, "Staging", false, ada).ok());
  ASSERT_TRUE(models.SetAlias("m", "a", 1, ada).ok());
  EXPECT_EQ(number("models:/m/2"), 2);
  EXPECT_EQ(number("models:/m/latest"), 2);
  EXPECT_EQ(number("models:/m/staging"), 1);
  EXPECT_EQ(number("models:/m@a"), 1);
  EXPECT_EQ(why("models:/m/Production"),
            "No versions of model with name 'm' and stage 'Production' found");
  EXPECT_EQ(why("models:/m/9"), "Model Version (name=m, version=9) not found");
  EXPECT_EQ(VersionOf(models, *ParseModelUri("models:/m@b")).error().kind, ErrorKind::kInvalid);
  EXPECT_EQ(VersionOf(models, *ParseModelUri("models:/m/x")).error().kind, ErrorKind::kInvalid);
  EXPECT_EQ(why("models:/none@a"), "Registered Model with name=none not found");
}

}  // namespace
}  // namespace muster::tracker
