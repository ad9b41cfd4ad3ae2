#include "registry/git_tags.h"

#include <gmock/gmock.h>

namespace muster::registry {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

const std::string kA(40, 'a'), kB(40, 'b');

TEST(GitTags, Lines_GiveTheCommitOfAnnotatedAndLightTags) {
  EXPECT_THAT(ReadGitTags("digits@v1.0.0 " + kA + " " + kB + "\nlight " + kA + " \n\n"),
              ElementsAre(GitTag{"digits@v1.0.0", kB}, GitTag{"light", kA}));
}

struct Case {
  const char* name;
  std::vector<GitTag> there;
  TaggedVersion wanted;
  std::vector<GitTag> plan;
};

TEST(GitTags, Plan_AddsWhatIsMissing) {
  const Case cases[] = {
      {"an empty repository",
       {{"v1.0", kA}},
       {"digits", 1, "prod", kA},
       {{"digits@v1.0.0", kA}, {"digits#prod#1", kA}}},
      {"a version without an alias", {}, {"digits", 12, "", kA}, {{"digits@v12.0.0", kA}}},
      {"all there", {{"digits@v1.0.0", kA}, {"digits#prod#1", kA}}, {"digits", 1, "prod", kB}, {}},
      {"the stage moves on, counted over all stages of the model and of no other",
       {{"digits@v1.0.0", kA},
        {"digits#prod#1", kA},
        {"digits#dev#7", kA},
        {"digits2#prod#30", kA},
        {"digits#prod#x", kA}},
       {"digits", 2, "prod", kB},
       {{"digits@v2.0.0", kB}, {"digits#prod#8", kB}}},
      {"a rollback tags the old commit again",
       {{"digits@v1.0.0", kA}, {"digits@v2.0.0", kB}, {"digits#prod#1", kA}, {"digits#prod#2", kB}},
       {"digits", 1, "prod", kB},
       {{"digits#prod#3", kA}}},
  };
  for (const Case& test : cases) {
    const auto plan = PlanGitTags(test.there, test.wanted);
    ASSERT_TRUE(plan.ok()) << test.name << ": " << plan.error().message;
    EXPECT_EQ(*plan, test.plan) << test.name;
  }
}

TEST(GitTags, TwoVersionsOnOneCommit_ReturnsConflict) {
  const auto plan = PlanGitTags({{"digits@v1.0.0", kA}}, {"digits", 2, "prod", kA});
  EXPECT_EQ(plan.error().kind, ErrorKind::kConflict);
  EXPECT_THAT(plan.error().message, HasSubstr("is digits@v1.0.0 already"));
}

TEST(GitTags, NameThatGtoDoesNotAllow_ReturnsInvalid) {
  for (const char* name : {"", "my model", "-digits", "digits_", "a:b", "a#b"}) {
    EXPECT_EQ(PlanGitTags({}, {name, 1, "prod", kA}).error().kind, ErrorKind::kInvalid) << name;
    EXPECT_EQ(PlanGitTags({}, {"m", 1, std::string("x") + name + "?", kA}).error().kind,
              ErrorKind::kInvalid);
  }
}

}  // namespace
}  // namespace muster::registry
