#include "registry/approval.h"

#include <gmock/gmock.h>

#include <cmath>

#include "runtime/wire/codec.h"

namespace muster::registry {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr std::string_view kText =
    R"({"approvals":"2 of [ml-leads, risk], never the author",)"
    R"("groups":{"ml-leads":["ada","grace"],"risk":["linus"]},"guards":["champion"]})";

Result<ApprovalPolicy> Parse(std::string_view text) {
  return PolicyFromJson(*wire::ParseJson(text));
}

Approval Said(std::string person, bool approved, std::string digest, std::string reason = "") {
  return {std::move(person), approved, std::move(reason), std::move(digest), 0, 0};
}

TEST(ApprovalPolicy, AsInTheIssue_IsReadAndWrittenBack) {
  const auto policy = Parse(kText);
  ASSERT_TRUE(policy.ok()) << policy.error().message;
  EXPECT_EQ(policy->approvals, 2);
  EXPECT_FALSE(policy->author_may);
  EXPECT_THAT(policy->of, ElementsAre("ml-leads", "risk"));
  EXPECT_TRUE(Guards(*policy, "champion"));
  EXPECT_FALSE(Guards(*policy, "challenger"));
  EXPECT_EQ(*PolicyFromJson(ToJson(*policy)), *policy);
}

TEST(ApprovalPolicy, WithoutGuards_GuardsTheChampion) {
  EXPECT_THAT(Parse(R"({"approvals":"1"})")->guards, ElementsAre("champion"));
}

TEST(ApprovalPolicy, Wrong_SaysWhat) {
  const struct {
    const char* text;
    const char* says;
  } cases[] = {
      {R"({"approvals":"two"})", "'two'; wanted as in '2 of [ml-leads], never the author'"},
      {R"({"approvals":"2 from [a]"})", "wanted as in"},
      {R"({"approvals":"2 of []"})", "wanted as in"},
      {R"({"approvals":"2 of [a"})", "wanted as in"},
      {R"({"approvals":"1 never the author"})", "wanted as in"},
      {R"({"approvals":"-1"})", "-1; wanted 0 to 100"},
      {R"({"approvals":"101"})", "101; wanted 0 to 100"},
      {R"({"approvals":"1 of [b]","groups":{"a":["x"]}})", "group 'b' is not among groups"},
      {R"({"approvals":"3 of [a]","groups":{"a":["x","y","x"]}})", "3 are wanted of 2 people"},
      {R"({"approvals":"1","gaurds":["a"]})", "gaurds"},
  };
  for (const auto& [text, says] : cases) {
    const auto policy = Parse(text);
    ASSERT_FALSE(policy.ok()) << text;
    EXPECT_EQ(policy.error().kind, ErrorKind::kInvalid);
    EXPECT_THAT(policy.error().message, HasSubstr(says)) << text;
  }
}

TEST(Unmet, CountsTheNewestWordOfEachWhoMay) {
  const ApprovalPolicy policy = *Parse(kText);
  ApprovalCase of{.author = "ada", .digest = "d"};
  const auto unmet = [&](std::vector<Approval> said) {
    of.approvals = std::move(said);
    return Unmet(policy, of);
  };
  const std::string wanted = " approvals given, wanted 2 of [ml-leads, risk], never the author";
  EXPECT_THAT(unmet({}), ElementsAre("0" + wanted));
  EXPECT_THAT(unmet({Said("grace", true, "d"), Said("linus", true, "d")}), IsEmpty());
  EXPECT_THAT(unmet({Said("grace", true, "d"), Said("grace", true, "d")}),
              ElementsAre("1" + wanted))
      << "one person is one approval";
  EXPECT_THAT(unmet({Said("ada", true, "d"), Said("grace", true, "d")}), ElementsAre("1" + wanted))
      << "never the author";
  EXPECT_THAT(unmet({Said("eve", true, "d"), Said("grace", true, "d")}), ElementsAre("1" + wanted))
      << "in no group";
  EXPECT_THAT(unmet({Said("grace", true, "old"), Said("linus", true, "d")}),
              ElementsAre("1" + wanted + " (verdicts recorded since voided earlier ones)"));
  EXPECT_THAT(unmet({Said("grace", true, "d"), Said("linus", true, "d"),
                     Said("linus", false, "d", "biased")}),
              ElementsAre("rejected by 'linus': biased", "1" + wanted));
  EXPECT_THAT(unmet({Said("linus", false, "d", "biased"), Said("linus", true, "d"),
                     Said("grace", true, "d")}),
              IsEmpty())
      << "who approves later takes the rejection back";
}

TEST(Unmet, OfEachGateTheNewestVerdictCounts) {
  const ApprovalPolicy policy = *Parse(R"({"approvals":"0"})");
  const GateVerdict refused{"parity", false, 1, 0, ""}, passed{"parity", true, 0, 0, ""};
  EXPECT_THAT(Unmet(policy, {.verdicts = {passed, refused}}),
              ElementsAre("gate 'parity' refused it"));
  EXPECT_THAT(Unmet(policy, {.verdicts = {refused, passed}}), IsEmpty());
}

TEST(VerdictDigest, IsOfVerdictsAndSource) {
  ModelVersion version;
  version.source = "s";
  const std::vector<GateVerdict> verdicts = {{"a", true, std::nan(""), 0.5, "fine"}};
  const std::string digest = VerdictDigest(version, verdicts);
  EXPECT_EQ(digest, VerdictDigest(version, verdicts));
  auto other = verdicts;
  other[0].wanted = 0.25;
  EXPECT_NE(digest, VerdictDigest(version, other));
  other = verdicts;
  other.push_back(verdicts[0]);
  EXPECT_NE(digest, VerdictDigest(version, other));
  version.description = "another";
  EXPECT_EQ(digest, VerdictDigest(version, verdicts));
  version.source = "t";
  EXPECT_NE(digest, VerdictDigest(version, verdicts));
}

}  // namespace
}  // namespace muster::registry
