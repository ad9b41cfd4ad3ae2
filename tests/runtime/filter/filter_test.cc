#include "runtime/filter/filter.h"

#include <gmock/gmock.h>

#include <cmath>

namespace muster::filter {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

const Grammar& Runs() {
  static const Grammar grammar = {
      {.entity = "metric", .key = "", .type = Type::kNumber, .ops = kCompareOps},
      {.entity = "param", .key = "", .ops = kTextOps | kNullOps},
      {.entity = "tag", .key = "", .ops = kTextOps | kNullOps},
      {.entity = "attribute", .key = "run_id", .ops = kTextOps | kListOps},
      {.entity = "attribute", .key = "run_name", .aliases = {"run name", "Run Name"}},
      {.entity = "attribute",
       .key = "start_time",
       .type = Type::kNumber,
       .ops = kCompareOps,
       .aliases = {"created"}},
      {.entity = "attribute", .key = "version", .type = Type::kNumberOrQuoted, .ops = kCompareOps},
      {.entity = "dataset", .key = "name", .ops = kTextOps | kListOps, .sortable = false},
  };
  return grammar;
}

Clause One(std::string_view text) {
  auto clauses = ParseFilter(text, Runs());
  EXPECT_TRUE(clauses.ok()) << text << ": " << (clauses.ok() ? "" : clauses.error().message);
  EXPECT_EQ(clauses.ok() ? clauses->size() : 0, 1u) << text;
  return clauses.ok() && !clauses->empty() ? (*clauses)[0] : Clause{};
}

std::string Refusal(std::string_view text) {
  auto clauses = ParseFilter(text, Runs());
  EXPECT_FALSE(clauses.ok()) << text;
  if (clauses.ok()) return "";
  EXPECT_EQ(clauses.error().kind, ErrorKind::kInvalid);
  return clauses.error().message;
}

TEST(ParseFilter, EmptyAndBlank_AreNoClauses) {
  EXPECT_TRUE(ParseFilter("", Runs())->empty());
  EXPECT_TRUE(ParseFilter("  \n", Runs())->empty());
}

TEST(ParseFilter, EveryEntitySpelling_IsCanonical) {
  EXPECT_EQ(One("metrics.m > 1").entity, "metric");
  EXPECT_EQ(One("METRIC.m > 1").entity, "metric");
  EXPECT_EQ(One("parameters.p = 'x'").entity, "param");
  EXPECT_EQ(One("params.p = 'x'").entity, "param");
  EXPECT_EQ(One("attr.run_id = 'x'").entity, "attribute");
  EXPECT_EQ(One("run.`Run Name` = 'x'").key, "run_name");
  EXPECT_EQ(One("run_id = 'x'").entity, "attribute");
  EXPECT_EQ(One("created > 5").key, "start_time");
  EXPECT_EQ(One("datasets.name = 'x'").entity, "dataset");
}

TEST(ParseFilter, KeysSplitAtTheFirstDotAndMayBeQuoted) {
  EXPECT_EQ(One("tags.a.b.c = 'x'").key, "a.b.c");
  EXPECT_EQ(One("tags.`x y` = 'x'").key, "x y");
  EXPECT_EQ(One("tags.\"x=y\" = 'x'").key, "x=y");
  EXPECT_EQ(One("metrics.val/acc>=.5").key, "val/acc");
}

TEST(ParseFilter, NumbersInEveryForm) {
  EXPECT_EQ(One("metrics.m = 1e3").number, 1000);
  EXPECT_EQ(One("metrics.m=-1").number, -1);
  EXPECT_EQ(One("metrics.m<.5").number, 0.5);
  EXPECT_EQ(One("metrics.m != +2.5").number, 2.5);
  EXPECT_EQ(One("version >= '3'").number, 3);
  EXPECT_EQ(One("version >= 3").number, 3);
}

TEST(ParseFilter, OperatorsInAnyCase) {
  EXPECT_EQ(One("params.p like 'a%'").op, Op::kLike);
  EXPECT_EQ(One("params.p iLike 'a%'").op, Op::kIlike);
  EXPECT_EQ(One("params.p IS NULL").op, Op::kIsNull);
  EXPECT_EQ(One("tags.t is  not null").op, Op::kIsNotNull);
  EXPECT_THAT(One("run_id IN ('a', \"b\",'c')").list, ElementsAre("a", "b", "c"));
  EXPECT_EQ(One("run_id not in ('a')").op, Op::kNotIn);
}

TEST(ParseFilter, ValuesKeepTheOtherQuote) {
  EXPECT_EQ(One("params.p = \"it's\"").text, "it's");
  EXPECT_EQ(One("params.p = 'AND metrics.m > 1'").text, "AND metrics.m > 1");
}

TEST(ParseFilter, AndJoinsAndMayTrail) {
  auto clauses = ParseFilter("metrics.m > 1 and params.p='x' AND tags.t != 'y' AND ", Runs());
  ASSERT_TRUE(clauses.ok());
  EXPECT_EQ(clauses->size(), 3u);
}

TEST(ParseFilter, WhatMlflowRefuses_IsRefusedWithTheReason) {
  EXPECT_THAT(Refusal("metrics.m > 1 OR metrics.m < 2"),
              "Invalid clause(s) in filter string: 'OR'");
  EXPECT_THAT(Refusal("(metrics.m > 1)"), HasSubstr("Invalid clause(s) in filter string"));
  EXPECT_THAT(Refusal("NOT metrics.m > 1"), HasSubstr("Invalid clause(s) in filter string"));
  EXPECT_EQ(Refusal("foo.bar = 1"),
            "Invalid entity type 'foo'. Valid values are ['metric', 'parameter', 'tag', "
            "'attribute', 'dataset']");
  EXPECT_THAT(Refusal("metrics.m == 1"), HasSubstr("Invalid clause"));
  EXPECT_THAT(Refusal("metrics.m <> 1"), HasSubstr("Invalid clause"));
  EXPECT_THAT(Refusal("metrics.m > '1'"), HasSubstr("Expected numeric value type for metric"));
  EXPECT_THAT(Refusal("metrics.m > nan"), HasSubstr("Expected numeric value type"));
  EXPECT_THAT(Refusal("metrics.m > inf"), HasSubstr("Expected numeric value type"));
  EXPECT_THAT(Refusal("params.p = 1"), HasSubstr("Expected a quoted string value for param"));
  EXPECT_THAT(Refusal("params.p > 'x'"), HasSubstr("Invalid comparator '>'"));
  EXPECT_THAT(Refusal("metrics.m IS NULL"), HasSubstr("Invalid comparator 'IS NULL'"));
  EXPECT_THAT(Refusal("run_name IN ('a')"), HasSubstr("Invalid comparator 'IN'"));
  EXPECT_THAT(Refusal("attributes.experiment_id = '1'"), HasSubstr("Invalid attribute key"));
  EXPECT_THAT(Refusal("run_id IN ()"), HasSubstr("non-empty list"));
  EXPECT_THAT(Refusal("run_id IN ('a'"), HasSubstr("')'"));
  EXPECT_THAT(Refusal("params.p = 'open"), HasSubstr("no end"));
  EXPECT_THAT(Refusal("metrics.m >"), HasSubstr("Expected numeric"));
  EXPECT_THAT(Refusal("metrics."), HasSubstr("Invalid clause"));
  EXPECT_THAT(Refusal("metrics.m"), HasSubstr("Invalid clause"));
}

TEST(ParseFilter, NoTextMakesItLoopOrCrash) {
  const std::string_view pieces[] = {"metrics.", "m",     ">",   "'",    "`",     "(",   ")",
                                     ",",        " AND ", "IS ", "NOT ", "NULL",  "IN ", "1",
                                     ".",        "=",     "!",   "\"",   "run_id"};
  std::uint64_t state = 7;
  for (int i = 0; i < 20'000; ++i) {
    std::string text;
    for (int n = 0; n < 8; ++n) {
      state = state * 6364136223846793005u + 1442695040888963407u;
      text += pieces[(state >> 33) % std::size(pieces)];
    }
    auto clauses = ParseFilter(text, Runs());
    if (!clauses) {
      EXPECT_EQ(clauses.error().kind, ErrorKind::kInvalid);
    }
  }
}

TEST(ParseOrderBy, DirectionsAndQuotes) {
  auto orders = ParseOrderBy({"metrics.`a b` DESC", "start_time", "run_name asc"}, Runs());
  ASSERT_TRUE(orders.ok());
  EXPECT_EQ((*orders)[0].key, "a b");
  EXPECT_FALSE((*orders)[0].ascending);
  EXPECT_TRUE((*orders)[1].ascending);
  EXPECT_EQ((*orders)[2].entity, "attribute");
}

TEST(ParseOrderBy, Refusals) {
  EXPECT_FALSE(ParseOrderBy({"metrics.m", "metrics.m DESC"}, Runs()).ok());
  EXPECT_FALSE(ParseOrderBy({"datasets.name"}, Runs()).ok());
  EXPECT_FALSE(ParseOrderBy({"metrics.m DSC"}, Runs()).ok());
  EXPECT_FALSE(ParseOrderBy({""}, Runs()).ok());
}

TEST(Bounds, BeyondThem_IsInvalid) {
  std::string filter = "tags.a = 'b'";
  for (std::size_t i = 1; i < kMaxClauses; ++i) filter += " AND tags.a = 'b'";
  EXPECT_EQ(ParseFilter(filter, Runs())->size(), kMaxClauses);
  EXPECT_THAT(Refusal(filter + " AND tags.a = 'b'"), HasSubstr("more than 200 clauses"));
  const std::string pattern(kMaxPatternBytes, '%');
  EXPECT_EQ(One("tags.a LIKE '" + pattern + "'").text, pattern);
  EXPECT_THAT(Refusal("tags.a ILIKE '" + pattern + "%'"), HasSubstr("pattern of more than 1000"));
  EXPECT_EQ(One("tags.a = '" + pattern + "%'").text.size(), kMaxPatternBytes + 1);
  std::vector<std::string> order_by;
  for (std::size_t i = 0; i < kMaxOrders; ++i) order_by.push_back("tags.t" + std::to_string(i));
  EXPECT_TRUE(ParseOrderBy(order_by, Runs()).ok());
  order_by.emplace_back("tags.more");
  EXPECT_EQ(ParseOrderBy(order_by, Runs()).error().kind, ErrorKind::kInvalid);
}

TEST(Like, Wildcards) {
  EXPECT_TRUE(Like("a%c", "abbbc", false));
  EXPECT_TRUE(Like("%", "", false));
  EXPECT_TRUE(Like("a_c", "abc", false));
  EXPECT_TRUE(Like("a_c", "a\u00e9c", false));
  EXPECT_FALSE(Like("a_c", "ac", false));
  EXPECT_FALSE(Like("A%", "abc", false));
  EXPECT_TRUE(Like("A%", "abc", true));
  EXPECT_TRUE(Like("%b%b%", "abab", false));
  EXPECT_FALSE(Like("%b%b", "abcba", false));
}

TEST(Matches, MissingKeysAndNan) {
  EXPECT_FALSE(Matches(One("tags.t != 'x'"), std::optional<std::string_view>()));
  EXPECT_TRUE(Matches(One("tags.t IS NULL"), std::optional<std::string_view>()));
  EXPECT_TRUE(Matches(One("metrics.m != 1"), std::optional<double>(std::nan(""))));
  EXPECT_FALSE(Matches(One("metrics.m >= 1"), std::optional<double>(std::nan(""))));
}

TEST(PageToken, RoundTripsAndRefusesOthers) {
  EXPECT_EQ(*PageOffset(PageToken(25'000)), 25'000);
  EXPECT_EQ(*PageOffset(""), 0);
  for (const char* bad : {"x", "o", "o-1", "o1x", "eyJ"}) {
    EXPECT_THAT(PageOffset(bad).error().message, testing::StartsWith("Invalid page token, "));
  }
}

}  // namespace
}  // namespace muster::filter
