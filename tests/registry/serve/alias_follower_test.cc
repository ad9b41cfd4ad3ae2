#include "registry/serve/alias_follower.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace muster::registry::serve {
namespace {

using namespace std::chrono_literals;

class FakeModel final : public InferenceModel {
 public:
  explicit FakeModel(bool works) : works_(works) {}
  [[nodiscard]] const std::vector<TensorSpec>& inputs() const override { return specs_; }
  [[nodiscard]] const std::vector<TensorSpec>& outputs() const override { return specs_; }
  Result<std::vector<Tensor>> Infer(const std::vector<Tensor>& inputs) override {
    if (works_) return inputs;
    return Internal("it throws");
  }

 private:
  bool works_;
  std::vector<TensorSpec> specs_;
};

/// Notes what is loaded, fails for folders named "broken", and makes models that fail of those named "cold".
class FakeEngine final : public InferenceEngine {
 public:
  Result<std::unique_ptr<InferenceModel>> Load(const std::filesystem::path& file, int) override {
    loads.push_back(file.string());
    if (file.parent_path() == "broken") return Invalid("no model");
    return std::unique_ptr<InferenceModel>(new FakeModel(file.parent_path() != "cold"));
  }
  [[nodiscard]] std::string name() const override { return "fake"; }
  std::vector<std::string> loads;
};

class FakeSource final : public ModelSource {
 public:
  Result<ModelLocation> Current() override { return current; }
  Result<ModelLocation> current = NotFound("no alias");
};

class AliasFollowerTest : public ::testing::Test {
 protected:
  FakeEngine engine_;
  FakeSource source_;
  FakeClock clock_;
  ModelServer server_{engine_, {}, clock_};
  AliasFollower follower_{source_, server_, {.poll = 500ms, .longest_wait = 3s}, clock_};
};

TEST_F(AliasFollowerTest, Step_NewVersion_LoadedOnce) {
  EXPECT_EQ(follower_.Step().error(), NotFound("no alias"));
  source_.current = ModelLocation{"m", 1, "one"};
  EXPECT_TRUE(follower_.Step().ok());
  EXPECT_TRUE(follower_.Step().ok());
  source_.current = ModelLocation{"m", 2, "two"};
  EXPECT_TRUE(follower_.Step().ok());
  EXPECT_THAT(engine_.loads, ::testing::ElementsAre("one/model.onnx", "two/model.onnx"));
  EXPECT_EQ(follower_.serving()->version, 2);
}

TEST_F(AliasFollowerTest, Step_SameVersionInAnotherDirectory_IsLoaded) {
  source_.current = ModelLocation{"m", 1, "one"};
  EXPECT_TRUE(follower_.Step().ok());
  source_.current = ModelLocation{"m", 1, "another"};
  EXPECT_TRUE(follower_.Step().ok());
  EXPECT_EQ(engine_.loads.size(), 2U);
}

TEST_F(AliasFollowerTest, Step_WarmUpFails_KeepsWhatWorks) {
  source_.current = ModelLocation{"m", 1, "cold"};
  EXPECT_TRUE(follower_.Step().ok()) << "nothing better is there";
  source_.current = ModelLocation{"m", 2, "good"};
  EXPECT_TRUE(follower_.Step().ok());
  source_.current = ModelLocation{"m", 3, "cold"};
  EXPECT_EQ(follower_.Step().error().message, "cannot serve m version 3: warm-up: it throws");
  EXPECT_EQ(follower_.serving()->version, 2);
}

TEST_F(AliasFollowerTest, Step_SourceFails_KeepsServing) {
  source_.current = ModelLocation{"m", 1, "one"};
  EXPECT_TRUE(follower_.Step().ok());
  source_.current = Unavailable("the registry is away");
  EXPECT_FALSE(follower_.Step().ok());
  EXPECT_EQ(follower_.serving()->version, 1);
  source_.current = ModelLocation{"m", 1, "one"};
  EXPECT_TRUE(follower_.Step().ok());
  EXPECT_EQ(engine_.loads.size(), 1U);
}

TEST_F(AliasFollowerTest, Step_VersionDoesNotLoad_TriedEverMoreSlowly) {
  source_.current = ModelLocation{"m", 1, "broken"};
  std::vector<int> tried_at_half_seconds;
  for (int half = 0; half < 30; ++half) {
    const std::size_t before = engine_.loads.size();
    const Status step = follower_.Step();
    ASSERT_FALSE(step.ok());
    EXPECT_EQ(step.error().message, "cannot serve m version 1: no model");
    if (engine_.loads.size() > before) tried_at_half_seconds.push_back(half);
    clock_.Advance(500ms);
  }
  // Waits of 0.5, 1, 2, 3, 3 ... seconds.
  EXPECT_THAT(tried_at_half_seconds, ::testing::ElementsAre(0, 1, 3, 7, 13, 19, 25));
  source_.current = ModelLocation{"m", 2, "good"};  // another version need not wait
  EXPECT_TRUE(follower_.Step().ok());
}

}  // namespace
}  // namespace muster::registry::serve
