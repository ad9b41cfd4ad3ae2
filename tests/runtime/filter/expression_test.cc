#include "runtime/filter/expression.h"

#include <gmock/gmock.h>

namespace muster::filter {
namespace {

using testing::HasSubstr;

Field Any(const char* entity, Type type, Ops ops) {
  return {.entity = entity, .key = "", .type = type, .ops = ops};
}

const Grammar& Runs() {
  static const Grammar grammar = {
      Dialect::kRuns,
      {
          Any("metric", Type::kNumber, kCompareOps),
          Any("param", Type::kText, kTextOps | kNullOps),
          Any("tag", Type::kText, kTextOps | kNullOps),
          {.entity = "attribute", .key = "run_id", .ops = kTextOps | kListOps},
          {.entity = "attribute", .key = "start_time", .type = Type::kNumber, .ops = kCompareOps},
      }};
  return grammar;
}

std::string Show(const Clause& clause) {
  std::string text = clause.entity + "." + clause.key + " " + std::string(OpText(clause.op));
  if (clause.op == Op::kIsNull || clause.op == Op::kIsNotNull) return text;
  if (!clause.list.empty()) return text + " " + testing::PrintToString(clause.list);
  if (clause.type == Type::kNumber) return text + " " + testing::PrintToString(clause.number);
  return text + " " + clause.text;
}

/// (or a (not b)).
std::string Show(const Expression& expression) {
  if (expression.kind == Expression::Kind::kClause) return Show(expression.clause);
  std::string text = expression.kind == Expression::Kind::kAnd  ? "(and"
                     : expression.kind == Expression::Kind::kOr ? "(or"
                                                                : "(not";
  for (const Expression& part : expression.parts) text += " [" + Show(part) + "]";
  return text + ")";
}

std::string Where(std::string_view filter) {
  const auto query = ParseOwnQuery(filter, {}, "", Runs());
  if (!query) return query.error().message;
  return query->where ? Show(*query->where) : "none";
}

TEST(Expression, WhatMlflowUnderstands_IsItsOwn) {
  const auto query =
      ParseOwnQuery("metrics.a > 1 AND params.b = 'x OR y'", {"metrics.a DESC"}, "", Runs());
  ASSERT_TRUE(query.ok());
  EXPECT_FALSE(query->where.has_value());
  EXPECT_EQ(query->clauses.size(), 2U);
  EXPECT_EQ(query->orders.size(), 1U);
}

TEST(Expression, AndBindsMoreThanOr_NotMoreThanBoth) {
  EXPECT_EQ(Where("metrics.a > 1 or metrics.b > 2 and not metrics.c > 3"),
            "(or [metric.a > 1] [(and [metric.b > 2] [(not [metric.c > 3])])])");
  EXPECT_EQ(Where("(metrics.a > 1 OR metrics.b > 2) AND NOT (metrics.c > 3 OR tags.t = 'x')"),
            "(and [(or [metric.a > 1] [metric.b > 2])] [(not [(or [metric.c > 3] [tag.t = x])])])");
  EXPECT_EQ(Where("NOT NOT ((metrics.a = 1))"), "(not [(not [metric.a = 1])])");
}

TEST(Expression, ClausesWithWordsOfTheirOwn_StayWhole) {
  EXPECT_EQ(Where("run_id IN ('a', 'b') OR run_id NOT IN ('c')"),
            "(or [attribute.run_id IN { \"a\", \"b\" }] [attribute.run_id NOT IN { \"c\" }])");
  EXPECT_EQ(Where("NOT tags.t IS NOT NULL OR params.p IS NULL"),
            "(or [(not [tag.t IS NOT NULL])] [param.p IS NULL])");
  EXPECT_EQ(Where("tags.`a (or) b` LIKE '%)and(%' OR tags.u = 'z'"),
            "(or [tag.a (or) b LIKE %)and(%] [tag.u = z])");
}

TEST(Expression, FunctionsOfMetrics_AreEntities) {
  EXPECT_EQ(Where("max(metrics.acc) > 0.9 AND min( metrics.`the loss` ) < 1"),
            "(and [metric_max.acc > 0.9] [metric_min.the loss < 1])");
  EXPECT_EQ(Where("LAST(metrics.a) = 1 OR step(metric.a) >= 100"),
            "(or [metric.a = 1] [metric_step.a >= 100])");
  const auto query =
      ParseOwnQuery("", {"max( metrics.acc ) DESC", "metrics.acc", "start_time"}, "", Runs());
  ASSERT_TRUE(query.ok()) << query.error().message;
  EXPECT_EQ(query->orders[0].entity, "metric_max");
  EXPECT_FALSE(query->orders[0].ascending);
  EXPECT_EQ(query->orders[1].entity, "metric");
  EXPECT_EQ(query->orders[2].key, "start_time");
}

TEST(Expression, WhatIsWrong_IsNamedWithItsPlace) {
  EXPECT_EQ(Where("metrics.a > 1 OR"),
            "Invalid filter string: at byte 16: wanted a clause, got the end");
  EXPECT_EQ(Where("(metrics.a > 1 OR metrics.b > 1"),
            "Invalid filter string: at byte 31: wanted AND, OR or ')', got the end");
  EXPECT_EQ(Where("metrics.a > 1) OR metrics.b > 1"),
            "Invalid filter string: at byte 13: wanted AND, OR or the end, got ')'");
  EXPECT_EQ(Where("metrics.a > 1 OR AND metrics.b > 1"),
            "Invalid filter string: at byte 17: wanted a clause, got 'AND'");
  EXPECT_EQ(Where("tags.a = 'x OR tags.b = 1"),
            "Invalid filter string: at byte 25: wanted the closing ', got the end");
  EXPECT_EQ(Where("max(metrics.a > 1 OR metrics.b > 1"),
            "Invalid filter string: at byte 34: wanted ')', got the end");
  EXPECT_EQ(Where("max() > 1 OR metrics.b > 1"),
            "Invalid filter string: at byte 4: wanted a metric, got ')'");
  EXPECT_EQ(Where("max(params.a) = 'x' OR metrics.a > 1"),
            "last(), max(), min() and step() are of metrics, not of 'param'");
  EXPECT_THAT(Where("metrics.a > 'x' OR metrics.a > 1"), HasSubstr("Expected numeric value type"));
  EXPECT_THAT(Where("metrics.a > 1 metrics.b > 1 OR metrics.a > 1"),
              HasSubstr("wanted one clause"));
  const auto twice = ParseOwnQuery("", {"max(metrics.a)", "MAX(metrics.a) DESC"}, "", Runs());
  EXPECT_THAT(twice.error().message, HasSubstr("contains duplicate fields"));
  const auto page = ParseOwnQuery("NOT metrics.a > 1", {}, "nonsense", Runs());
  EXPECT_THAT(page.error().message, HasSubstr("Invalid page token"));
}

TEST(Expression, NestingAndClauses_HaveBounds) {
  std::string deep;
  for (int i = 0; i < 100'000; ++i) deep += "(";
  EXPECT_THAT(Where(deep), HasSubstr("nested more than 50 deep"));
  std::string wide = "metrics.a > 1";
  for (std::size_t i = 0; i < kMaxClauses; ++i) wide += " OR metrics.a > 1";
  EXPECT_THAT(Where(wide), HasSubstr("more than 200 clauses"));
}

}  // namespace
}  // namespace muster::filter
