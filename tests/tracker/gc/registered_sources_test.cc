#include "tracker/gc/registered_sources.h"

#include <gmock/gmock.h>

#include "registry/memory_model_store.h"
#include "runtime/base/clock.h"

namespace muster::tracker {
namespace {

class RegisteredSourcesTest : public testing::Test {
 protected:
  RegisteredSourcesTest() { EXPECT_TRUE(models_.CreateModel("digits", "", {}, {}).ok()); }
  void Register(const std::string& source, const std::string& run = "",
                const std::string& model = "") {
    EXPECT_TRUE(models_
                    .CreateVersion(
                        {.name = "digits", .source = source, .run_id = run, .model_id = model}, {})
                    .ok());
  }
  RegisteredSources Load() { return RegisteredSources::Load(models_).value(); }

  FakeClock clock_;
  registry::MemoryModelStore models_{clock_};
};

TEST_F(RegisteredSourcesTest, RunsAndModels_ByLineageAndBySource) {
  Register("s3://elsewhere/model", "run1", "m-1");
  Register("runs:/run2/model");
  Register("models:/m-2");
  const auto sources = Load();
  EXPECT_EQ(sources.OfRun("run1"), "version 1 of 'digits'");
  EXPECT_EQ(sources.OfRun("run2"), "version 2 of 'digits'");
  EXPECT_EQ(sources.OfRun("run"), std::nullopt);
  EXPECT_EQ(sources.OfModel("m-1"), "version 1 of 'digits'");
  EXPECT_EQ(sources.OfModel("m-2"), "version 3 of 'digits'");
  EXPECT_EQ(sources.OfModel("m-3"), std::nullopt);
}

TEST_F(RegisteredSourcesTest, Places_AtAndBelow_HoweverTheyAreSpelled) {
  Register("mlflow-artifacts:/0/a/artifacts/model");
  Register("http://host:5000/api/2.0/mlflow-artifacts/artifacts/0/b/artifacts");
  Register("file:///data/c/artifacts/");
  const auto sources = Load();
  EXPECT_TRUE(sources.At("mlflow-artifacts:/0/a/artifacts"));
  EXPECT_TRUE(sources.At("mlflow-artifacts:///0/b/artifacts"));
  EXPECT_TRUE(sources.At("file:///data/c/artifacts"));
  EXPECT_FALSE(sources.At("mlflow-artifacts:/0/a/art")) << "a name that only begins so";
  EXPECT_FALSE(sources.At("mlflow-artifacts:/0/a/artifacts/model/part"));
  EXPECT_FALSE(sources.At("mlflow-artifacts:/0/c/artifacts"));
}

TEST_F(RegisteredSourcesTest, ADeletedVersionKeepsNothing) {
  Register("runs:/run2/model", "run2");
  EXPECT_TRUE(models_.DeleteVersion("digits", 1, {}).ok());
  EXPECT_FALSE(Load().OfRun("run2"));
}

}  // namespace
}  // namespace muster::tracker
