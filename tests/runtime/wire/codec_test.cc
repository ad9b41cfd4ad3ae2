#include "runtime/wire/codec.h"

#include <gtest/gtest.h>
#include <boost/json/parse.hpp>

#include "runtime/wire/sweep_spec_json.h"

namespace muster::wire {
namespace {

enum class Colour { kRed, kDarkBlue };
BOOST_DESCRIBE_ENUM(Colour, kRed, kDarkBlue)
struct Inner {
  int port = 80;
};
BOOST_DESCRIBE_STRUCT(Inner, (), (port))
struct Outer {
  Colour colour = Colour::kRed;
  std::vector<Inner> ranks;
  std::optional<double> limit;
  std::map<std::string, double> metrics;
  TrialId trial;
};
BOOST_DESCRIBE_STRUCT(Outer, (), (colour, ranks, limit, metrics, trial))

TEST(Codec, RoundTrip_KeepsEveryMember) {
  Outer outer{Colour::kDarkBlue, {{1}, {2}}, 0.5, {{"loss", std::nan("")}}, TrialId("s/1")};
  const std::string text = Encode(outer);
  EXPECT_EQ(text, R"({"colour":"dark_blue","ranks":[{"port":1},{"port":2}],"limit":5E-1,)"
                  R"("metrics":{"loss":"NaN"},"trial":"s/1"})");
  const auto back = Decode<Outer>(text);
  ASSERT_TRUE(back.ok()) << back.error().message;
  EXPECT_EQ(Encode(*back), text);
}

TEST(Codec, TextWithoutValuesBetween_IsTheSameByteForByte) {
  Outer outer{Colour::kRed, {}, {}, {}, TrialId("tab\t, quote\", \\, \x01, \xC3\xA9 and \x7F")};
  outer.metrics = {{"a\nb", 1e300}, {"c", -0.0}, {"d", 1.0 / 7}, {"e", INFINITY}, {"f", 3}};
  EXPECT_EQ(Encode(outer), SerializeJson(ToJson(outer)));
  EXPECT_EQ(Encode(Outer{static_cast<Colour>(7), {}, {}, {}, {}}),
            R"({"colour":null,"ranks":[],"metrics":{},"trial":""})");
  SweepSpec spec;
  spec.seed = std::numeric_limits<std::uint64_t>::max();
  spec.priority = std::numeric_limits<int>::min();
  spec.space = {{"lr", {{"float", {0.1, 1}}}}};
  spec.fixed = {{"on", true}, {"none", nullptr}, {"list", {1, "two"}}};
  spec.model.emplace().gates.emplace_back().parity = true;
  EXPECT_EQ(Encode(spec), SerializeJson(ToJson(spec)));
}

TEST(Codec, MissingMembers_KeepTheirDefaults) {
  const auto outer = Decode<Outer>(R"({"ranks":[{}]})");
  ASSERT_TRUE(outer.ok());
  EXPECT_EQ(outer->ranks[0].port, 80);
  EXPECT_FALSE(outer->limit);
}

TEST(Codec, WrongType_NamesThePath) {
  const auto outer = Decode<Outer>(R"({"ranks":[{"port":1},{"port":"x"}]})");
  ASSERT_FALSE(outer.ok());
  EXPECT_EQ(outer.error().message, R"(at ranks[1].port: wanted an integer, got "x")");
}

TEST(Codec, LongKeyInAPath_IsShortened) {
  const auto outer = Decode<Outer>(R"({"metrics":{")" + std::string(5000, 'k') + R"(":"x"}})");
  ASSERT_FALSE(outer.ok());
  EXPECT_LT(outer.error().message.size(), 200U);
}

TEST(Codec, UnknownMember_IsSkippedUnlessRefused) {
  EXPECT_TRUE(Decode<Outer>(R"({"ranks":[{"new":1}]})").ok());
  const auto refused = Decode<Outer>(R"({"ranks":[{"prot":1}]})", Unknown::kRefuse);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().message, "at ranks[0].prot: unknown key; wanted one of port");
}

TEST(Codec, UnknownEnumerator_ListsTheKnown) {
  const auto outer = Decode<Outer>(R"({"colour":"green"})");
  ASSERT_FALSE(outer.ok());
  EXPECT_EQ(outer.error().message, R"(at colour: wanted one of red, dark_blue, got "green")");
}

TEST(ParseJson, Malformed_NamesTheByte) {
  EXPECT_FALSE(ParseJson("{\"a\":").ok());
  EXPECT_FALSE(ParseJson("{} x").ok());
  EXPECT_FALSE(ParseJson("").ok());
}

TEST(ParseJson, Doubles_ComeBackExactly) {
  for (int i = 0; i < 10'000; ++i) {
    const double value = i / 7.0;
    const auto parsed = ParseJson(SerializeJson(Json(value)));
    ASSERT_TRUE(parsed.ok());
    EXPECT_EQ(parsed->to_number<double>(), value);
  }
  const auto array = ParseJson("[1e-400, 1.7976931348623157e308, 5e-324, -0.0, 1.0, 12]").value();
  EXPECT_EQ(array.at(1).get_double(), 1.7976931348623157e308);
  EXPECT_EQ(array.at(2).get_double(), 5e-324);
  EXPECT_TRUE(array.at(4).is_double());
  EXPECT_TRUE(array.at(5).is_int64());
}

TEST(ParseJson, StringsKeysAndNesting_AreBuilt) {
  const std::string text = R"({"a\n\u00e9":["x\"y",true,null,{"b":18446744073709551615}],"a":{}})";
  EXPECT_EQ(SerializeJson(ParseJson(text).value()), SerializeJson(boost::json::parse(text)));
  for (const char* bad : {"", "{", "[1,]", "1 2", "nul", "\"a", "{\"a\"}", "01", "[1e]"}) {
    EXPECT_FALSE(ParseJson(bad).ok()) << bad;
  }
}

TEST(SweepSpec, RoundTrip) {
  SweepSpec spec;
  spec.name = "digits";
  spec.model = ModelSpec{.name = "digits", .gates = {{.metric = "a", .at_least = 0.9}}};
  const auto back = SweepSpecFromJson(ToJson(spec));
  ASSERT_TRUE(back.ok()) << back.error().message;
  EXPECT_EQ(back->model->gates[0].at_least, 0.9);
}

}  // namespace
}  // namespace muster::wire
