#include "runtime/filter/filter.h"

#include <gmock/gmock.h>

#include <cmath>

namespace muster::filter {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

const Grammar& Runs() {
  static const Grammar grammar = {
      Dialect::kRuns,
      {
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
          {.entity = "dataset", .key = "name", .ops = kTextOps | kListOps, .sortable = false},
      }};
  return grammar;
}

Result<std::vector<Clause>> ParseFilter(std::string_view text, const Grammar& grammar) {
  auto query = ParseQuery(text, {}, "", grammar);
  if (!query) return query.error();
  return query->clauses;
}
Result<std::vector<Order>> ParseOrderBy(const std::vector<std::string>& order_by,
                                        const Grammar& grammar) {
  auto query = ParseQuery("", order_by, "", grammar);
  if (!query) return query.error();
  return query->orders;
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

TEST(ParseFilter, Empty_IsNoClausesAndBlankIsRefused) {
  EXPECT_TRUE(ParseFilter("", Runs())->empty());
  EXPECT_EQ(Refusal("  "), "Invalid filter '  '. Could not be parsed.");
}

TEST(ParseFilter, EveryEntitySpelling_IsCanonical) {
  EXPECT_EQ(One("metrics.m > 1").entity, "metric");
  EXPECT_EQ(One("`metric`.m > 1").entity, "metric");
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
  EXPECT_EQ(One("metrics.`val/acc`>=.5").key, "val/acc");
  EXPECT_EQ(One("metrics.Größe > 1").key, "Größe");
}

TEST(ParseFilter, NumbersInEveryForm) {
  EXPECT_EQ(One("metrics.m = 1e3").number, 1000);
  EXPECT_EQ(One("metrics.m=-1").number, -1);
  EXPECT_EQ(One("metrics.m<.5").number, 0.5);
  EXPECT_EQ(One("metrics.m != 2.").number, 2);
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

TEST(ParseFilter, AndMayLeadBeDoubledAndBeLeftOut) {
  for (const char* text : {"AND params.p = 'x' AND AND tags.t = 'y'", "params.p='x' tags.t='y'"}) {
    EXPECT_EQ(ParseFilter(text, Runs())->size(), 2U) << text;
  }
}

/// The texts are those of MLflow 3.18's server; sets, which Python prints in no order, are sorted.
TEST(ParseFilter, WhatMlflowRefuses_IsRefusedInItsWords) {
  for (const auto& [filter, text] : std::vector<std::pair<std::string, std::string>>{
           {"metrics.m > 1 OR metrics.m < 2", "Invalid clause(s) in filter string: 'OR'"},
           {"(metrics.m > 1)", "Invalid clause(s) in filter string: '(metrics.m > 1)'"},
           {"NOT metrics.m > 1", "Invalid clause(s) in filter string: 'NOT'"},
           {"metrics.m > +1", "Invalid clause(s) in filter string: 'metrics.m', '>', '+', '1'"},
           {"tags.a = 'open", "Invalid clause(s) in filter string: 'tags.a', '=', ''', 'open'"},
           {"tags.p/q = 'x'", "Invalid comparison clause. Expected 'Identifier' found 'tags.p/q'"},
           {"tags.a = 'x'; tags.b = 'y'",
            "Search filter contained multiple expression \"tags.a = 'x'; tags.b = 'y'\". Provide "
            "AND-ed expression list."},
           {"foo.bar = 1",
            "Invalid entity type 'foo'. Valid values are ['metric', 'parameter', 'tag', "
            "'attribute', 'dataset']"},
           {"METRIC.m > 1",
            "Invalid entity type 'METRIC'. Valid values are ['metric', 'parameter', 'tag', "
            "'attribute', 'dataset']"},
           {"metrics.m == 1",
            "Invalid comparator '==' not one of '{'!=', '<', '<=', '=', '>', '>='}"},
           {"params.p > 'x'",
            "Invalid comparator '>' not one of '{'!=', '=', 'ILIKE', 'IS NOT NULL', 'IS NULL', "
            "'LIKE'}'"},
           {"metrics.m > '1'", "Expected numeric value type for metric. Found '1'"},
           {"metrics.m > nan", "Expected numeric value type for metric. Found nan"},
           {"start_time > '5'",
            "Expected numeric value type for numeric attribute: start_time. Found '5'"},
           {"params.p = 1",
            "Expected a quoted string value for parameter (e.g. 'my-value'). Got value 1"},
           {"params.p = x",
            "Parameter value is either not quoted or unidentified quote types used for string "
            "value x. Use either single or double quotes."},
           {"run_id = 1", "Expected a quoted string value for attributes. Got value 1"},
           {"datasets.name = 1",
            "Expected a quoted string value for dataset attributes. Got value 1"},
           {"metrics.m IS NULL",
            "IS NULL / IS NOT NULL is only supported for tags and params, not for 'metric' 'm'"},
           {"run_name IN ('a')",
            "Only ['run_id'] attributes support comparison with a list of quoted string values."},
           {"run_id IN ()",
            "While parsing a list in the query, expected a non-empty list of string values, but "
            "got empty list"},
           {"run_id IN ('a', 1)",
            "While parsing a list in the query, expected string value, punctuation, or "
            "whitespace, but got different type in list: ('a', 1)"},
           {"attributes.nope = '1'",
            "Invalid attribute key 'nope' specified. Valid keys are '{'Run Name', 'created', "
            "'run name', 'run_id', 'run_name', 'start_time'}'"}}) {
    EXPECT_EQ(Refusal(filter), text);
  }
  for (const char* broken : {"metrics.m >", "metrics.", "metrics.m", "run_id IN ('a'", "=", "'"}) {
    EXPECT_NE(Refusal(broken), "");
  }
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
    for (const Dialect dialect :
         {Dialect::kRuns, Dialect::kExperiments, Dialect::kModelVersions, Dialect::kLoggedModels}) {
      const auto query = ParseQuery(text, {text}, text, {dialect, Runs().fields});
      if (!query) {
        EXPECT_EQ(query.error().kind, ErrorKind::kInvalid);
      }
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
  EXPECT_EQ(ParseOrderBy({"metrics.m DSC"}, Runs()).error().message,
            "Invalid ordering key in order_by clause 'metrics.m DSC'.");
  for (const char* broken : {"", "metrics.m ", "metrics.a/b", "1", "a, b"}) {
    EXPECT_EQ(ParseOrderBy({broken}, Runs()).error().message,
              "Invalid order_by clause '" + std::string(broken) + "'. Could not be parsed.");
  }
}

/// As the store of model versions searches.
Grammar Versions() {
  return {
      Dialect::kModelVersions,
      {{.entity = "attribute", .key = "name"}, {.entity = "tag", .key = "", .sortable = false}}};
}

TEST(ParseOrderBy, VersionsOrderByTheAttributeThatATagNames) {
  const auto orders = ParseOrderBy({"tag.name DESC"}, Versions());
  ASSERT_TRUE(orders.ok());
  EXPECT_EQ((*orders)[0].entity, "attribute");
  EXPECT_EQ((*orders)[0].key, "name");
  EXPECT_THAT(ParseOrderBy({"tags.other"}, Versions()).error().message,
              HasSubstr("Invalid order by key 'other' specified."));
}

TEST(ParseOrderBy, ExperimentsAndLoggedModelsTakeAFieldTwice) {
  for (const Dialect dialect : {Dialect::kExperiments, Dialect::kLoggedModels}) {
    const Grammar grammar{dialect, {{.entity = "attribute", .key = "name"}}};
    EXPECT_TRUE(ParseOrderBy({"name ASC", "name DESC"}, grammar).ok());
  }
}

TEST(ParseFilter, TextsOfWhatSqlSplitsOddly) {
  EXPECT_EQ(ParseQuery("version != 'x'", {}, "", Versions()).error().message,
            "Invalid clause(s) in filter string: version, !=, 'x'");
  EXPECT_THAT(ParseQuery("run_id IN ('ds',1,)", {}, "", Runs()).error().message,
              HasSubstr("got different type in list: ('ds', 1)"));
}

TEST(ParseFilter, LoggedModelsShowTheColumnOfABareTime) {
  const Grammar grammar{Dialect::kLoggedModels,
                        {{.entity = "attribute",
                          .key = "creation_timestamp",
                          .type = Type::kNumber,
                          .ops = kCompareOps,
                          .aliases = {"creation_timestamp_ms"}}}};
  const auto why = [&](const char* filter) {
    return ParseQuery(filter, {}, "", grammar).error().message;
  };
  EXPECT_THAT(why("creation_timestamp LIKE 1"), HasSubstr("for attributes.creation_timestamp_ms:"));
  EXPECT_THAT(why("attributes.creation_timestamp LIKE 1"),
              HasSubstr("for attributes.creation_timestamp:"));
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
  EXPECT_EQ(PageToken(1), "eyJvZmZzZXQiOiAxfQ==") << "MLflow's own";
  EXPECT_EQ(*PageOffset(PageToken(25'000)), 25'000);
  EXPECT_EQ(*PageOffset(""), 0);
  EXPECT_EQ(PageOffset("x").error().message, "Invalid page token, could not base64-decode");
  EXPECT_EQ(PageOffset("eA==").error().message, "Invalid page token, decoded value=b'x'");
}

}  // namespace
}  // namespace muster::filter
