#include "tuner/space.h"

#include <gtest/gtest.h>

#include <boost/json/parse.hpp>
#include <cmath>

namespace muster::tuner {
namespace {

Result<std::shared_ptr<const Space>> Parse(const char* text) {
  return ParseSpace(boost::json::parse(text).as_object());
}

std::string ErrorOf(const char* text) {
  const auto space = Parse(text);
  return space.ok() ? "no error" : space.error().message;
}

TEST(ParseSpace, Mistakes_AreNamedWithTheirPath) {
  EXPECT_EQ(ErrorOf(R"({"lr":{"float":[1,0.1]}})"),
            "at lr.float: low must be below high, got [1,1E-1]");
  EXPECT_EQ(ErrorOf(R"({"lr":{"float":[0,1],"log":true}})"),
            "at lr.float[0]: a log scale needs low above 0, got 0");
  EXPECT_EQ(ErrorOf(R"({"lr":{"flaot":[0,1]}})"),
            "at lr.flaot: unknown key; wanted one of float, int, choice, log, step, q, when");
  EXPECT_EQ(ErrorOf(R"({"w":{"int":[1.5,3]}})"), "at w.int[0]: wanted an integer, got 1.5E0");
  EXPECT_EQ(ErrorOf(R"({"o":{"choice":[]}})"), "at o.choice: wanted a list of values, got []");
  EXPECT_EQ(ErrorOf(R"({"o":{"choice":["a","a"]}})"), "at o.choice[1]: \"a\" is there twice");
  EXPECT_EQ(ErrorOf(R"({"m":{"float":[0,1],"when":{"o":"x"}}})"),
            "at m.when: there is no parameter 'o'");
  EXPECT_EQ(ErrorOf(R"({"o":{"choice":["a"]},"m":{"float":[0,1],"when":{"o":"x"}}})"),
            "at m.when.o: x is not one of its choices");
  EXPECT_EQ(ErrorOf(R"({"a":{"choice":[1],"when":{"b":1}},"b":{"choice":[1],"when":{"a":1}}})"),
            "at a.when: the conditions form a circle");
  EXPECT_EQ(ErrorOf(R"({"a":{"int":[0,1],"float":[0,1]}})"),
            "at a: wanted exactly one of float, int, choice");
  EXPECT_EQ(ErrorOf(R"({"o":{"choice":["a"],"log":true}})"),
            "at o.log: a choice has none; leave it out");
  EXPECT_EQ(ErrorOf(R"({"o":{"choice":["a"],"step":2}})"),
            "at o.step: a choice has none; leave it out");
  EXPECT_EQ(ErrorOf(R"({"o":{"choice":["a"]},"m":{"float":[0,1],"when":{"o":[]}}})"),
            "at m.when.o: wanted at least one value");
}

TEST(ParseSpace, BoundsTooFarApartToDrawBetween_Refused) {
  EXPECT_EQ(ErrorOf(R"({"w":{"int":[-9223372036854775808,9223372036854775807]}})"),
            "at w.int[0]: wanted an integer from -2^53 to 2^53, got -9223372036854775808");
  EXPECT_EQ(ErrorOf(R"({"w":{"int":[0,9],"step":9223372036854775807}})"),
            "at w.step: wanted an integer from -2^53 to 2^53, got 9223372036854775807");
  EXPECT_EQ(ErrorOf(R"({"lr":{"float":[-1e308,1e308]}})"),
            "at lr.float: wanted bounds within +-1e300, got [-1E308,1E308]");
}

TEST(Space, WidestBounds_AreDrawnFrom) {
  const auto space = Parse(R"({"w":{"int":[-9007199254740992,9007199254740992]},
      "s":{"int":[0,9007199254740992],"step":9007199254740992}, "f":{"float":[-1e300,1e300]}})");
  ASSERT_TRUE(space.ok()) << space.error().message;
  const Params params = (*space)->Decode((*space)->Draw(Random(1, 2)));
  EXPECT_TRUE(std::isfinite(std::get<double>(params.at("f"))));
  const auto both = Parse(R"({"s":{"int":[0,9007199254740992],"step":9007199254740992}})");
  EXPECT_EQ((*both)->Enumerate(100).size(), 2U);
}

TEST(Space, ChildBeforeParentInTheFile_IsOrderedAfterIt) {
  const auto space =
      Parse(R"({"m":{"float":[0,1],"when":{"o":"sgd"}},"o":{"choice":["adamw","sgd"]}})");
  ASSERT_TRUE(space.ok()) << space.error().message;
  EXPECT_EQ((*space)->parameters()[0].name, "o");
}

TEST(Space, Draw_StaysInBoundsAndKeepsConditions) {
  const auto space = Parse(R"({"o":{"choice":["adamw","sgd"]},
      "m":{"float":[0.5,0.99],"when":{"o":"sgd"}},
      "lr":{"float":[1e-4,1e-1],"log":true}, "w":{"int":[16,130],"step":16},
      "d":{"int":[1,64],"log":true}})");
  ASSERT_TRUE(space.ok());
  int with_momentum = 0;
  for (std::uint64_t stream = 0; stream < 1000; ++stream) {
    const Params params = (*space)->Decode((*space)->Draw(Random(1, stream)));
    const bool sgd = std::get<std::string>(params.at("o")) == "sgd";
    EXPECT_EQ(params.contains("m"), sgd);
    with_momentum += sgd ? 1 : 0;
    const auto width = std::get<std::int64_t>(params.at("w"));
    EXPECT_TRUE(width >= 16 && width <= 128 && width % 16 == 0) << width;
    const double lr = std::get<double>(params.at("lr"));
    EXPECT_TRUE(lr >= 1e-4 && lr <= 1e-1);
  }
  EXPECT_NEAR(with_momentum, 500, 60);
}

TEST(Space, Enumerate_ListsEachPointOnce) {
  const auto space = Parse(
      R"({"o":{"choice":["a","b"]},"k":{"int":[1,3],"when":{"o":"b"}},"f":{"choice":[true,false]}})");
  ASSERT_TRUE(space.ok());
  EXPECT_EQ((*space)->Enumerate(100).size(), 2u * (1 + 3));
  EXPECT_TRUE((*space)->Enumerate(7).empty());
}

TEST(Params, JsonAndText_KeepTheirTypes) {
  const Params params{{"a", true}, {"b", std::int64_t{3}}, {"c", 0.001}, {"d", std::string("x")}};
  const auto back = ParamsFromJson(ParamsToJson(params));
  ASSERT_TRUE(back.ok());
  EXPECT_EQ(*back, params);
  EXPECT_EQ(ParamText(params.at("c")), "0.001");
  EXPECT_EQ(ParamText(params.at("a")), "true");
}

}  // namespace
}  // namespace muster::tuner
