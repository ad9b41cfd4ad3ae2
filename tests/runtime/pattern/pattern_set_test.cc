#include "runtime/pattern/pattern_set.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace muster::pattern {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST(PatternSet, Match_SaysWhichAreFoundAnywhereInTheLine) {
  const auto set = PatternSet::Compile({"CUDA out of memory", "^Error: (\\d+)$", "(?i)ecc error"});
  ASSERT_TRUE(set.ok()) << set.error().message;
  EXPECT_THAT(set->Match("rank 3: CUDA out of memory. ECC ERROR"), ElementsAre(0, 2));
  EXPECT_THAT(set->Match("Error: 12"), ElementsAre(1));
  EXPECT_THAT(set->Match("Error: 12 of them"), IsEmpty());
  EXPECT_THAT(set->Match(""), IsEmpty());
}

TEST(PatternSet, LineThatIsNotUtf8_IsMatchedAroundItsWrongBytes) {
  const auto set = PatternSet::Compile({"out of memory", "^.*$"});
  EXPECT_THAT(set->Match("\xff\xfe out of memory \xc3"), ElementsAre(0));
}

TEST(PatternSet, WrongExpression_IsNamedByItsPlace) {
  const auto wrong = PatternSet::Compile({"fine", "ca(t"});
  ASSERT_FALSE(wrong.ok());
  EXPECT_EQ(wrong.error().kind, ErrorKind::kInvalid);
  EXPECT_THAT(wrong.error().message, HasSubstr("at [1]: missing ): ca(t"));
  EXPECT_THAT(PatternSet::Compile({"(a)\\1"}).error().message, HasSubstr("invalid escape"));
  EXPECT_THAT(PatternSet::Compile({"((a{100}){100}){100}"}).error().message,
              HasSubstr("invalid repetition size"));
}

TEST(PatternSet, ExpressionThatBacktrackersChokeOn_IsAnswered) {
  // (a*)*b takes a backtracking matcher 2^n steps on n times 'a'.
  const auto set = PatternSet::Compile({"(a*)*b", "(x+x+)+y", "[ab]*a[ab]{300}c"});
  ASSERT_TRUE(set.ok()) << set.error().message;
  std::string line(8192, 'a');
  EXPECT_THAT(set->Match(line), IsEmpty());
  // The third has 2^300 states as a whole; only those that the line meets are made.
  for (std::size_t i = 0; i < line.size(); i += 1 + i % 7) line[i] = 'b';
  EXPECT_THAT(set->Match(line + "c"), ElementsAre(0, 2));
}

}  // namespace
}  // namespace muster::pattern
