#include "runtime/config/policy_file.h"

#include <gmock/gmock.h>

namespace muster::config {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST(PolicyFile, AsInTheReadme_IsRead) {
  const auto policy = ParsePolicy(
      "approvals: 2 of [ml-leads], never the author\n"
      "groups:\n  ml-leads: [ada, 007]\n"
      "guards: [champion, canary]\n",
      "policy.yaml");
  ASSERT_TRUE(policy.ok()) << policy.error().message;
  EXPECT_EQ(policy->approvals, 2);
  EXPECT_THAT(policy->groups.at("ml-leads"), ElementsAre("ada", "007")) << "names are text";
  EXPECT_THAT(policy->guards, ElementsAre("champion", "canary"));
}

TEST(PolicyFile, Wrong_IsRefusedWithFileAndPlace) {
  const struct {
    const char* text;
    const char* says;
  } cases[] = {
      {"approvals: 1\ngroups: [a", "p.yaml:2:"},
      {"approvals: 1\nguard: [champion]\n", "guard"},
      {"approvals: 1 of [b]\n", "p.yaml: at approvals: group 'b'"},
      {"approvals: 1\nguards: champion\n", "guards"},
      {"- approvals\n", "p.yaml"},
      {"", "p.yaml"},
  };
  for (const auto& [text, says] : cases) {
    const auto policy = ParsePolicy(text, "p.yaml");
    ASSERT_FALSE(policy.ok()) << text;
    EXPECT_EQ(policy.error().kind, ErrorKind::kInvalid) << text;
    EXPECT_THAT(policy.error().message, HasSubstr(says)) << text;
  }
}

}  // namespace
}  // namespace muster::config
