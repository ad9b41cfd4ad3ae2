#include "tracker/mlflow/json_writer.h"

#include <gtest/gtest.h>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <limits>

namespace muster::tracker {
namespace {

namespace json = boost::json;

TEST(JsonWriter, NestedLists_HaveTheirCommas) {
  JsonWriter json;
  json.BeginObject().Key("a").BeginArray().EndArray();
  json.Key("b")
      .BeginArray()
      .Number(std::int64_t{-1})
      .BeginObject()
      .EndObject()
      .Text("x")
      .EndArray();
  json.Key("c").Text("y").EndObject();
  EXPECT_EQ(json.Take().text, R"({"a":[],"b":[-1,{},"x"],"c":"y"})");
}

TEST(JsonWriter, AnyText_IsReadBackAsItWas) {
  std::string all = "\xc3\xa4\xf0\x9f\x98\x80";
  for (char c = 1; c > 0; ++c) all += c;
  all += '\0';
  JsonWriter json;
  json.BeginArray().Text(all).Text("plain").EndArray();
  const json::value read = json::parse(json.Take().text);
  EXPECT_EQ(read.at(0).as_string(), all);
  EXPECT_EQ(read.at(1).as_string(), "plain");
}

TEST(JsonWriter, Doubles_AreReadBackAsTheyWereAndStayDoubles) {
  constexpr double kNumbers[] = {
      0.0, -0.0, 1, 0.1, 1e22, 1e-7, 123456789.5, 5e-324, 1.7976931348623157e308};
  for (const double number : kNumbers) {
    JsonWriter json;
    json.BeginArray().Number(number).EndArray();
    const std::string text = json.Take().text;
    const json::value read = json::parse(text).at(0);
    ASSERT_TRUE(read.is_double()) << text;
    EXPECT_EQ(std::signbit(read.as_double()), std::signbit(number)) << text;
    EXPECT_EQ(read.as_double(), number) << text;
  }
}

TEST(JsonWriter, NumbersThatJsonLacks_AreProtobufsTexts) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  JsonWriter json;
  json.BeginArray().Number(kInfinity).Number(-kInfinity);
  json.Number(std::numeric_limits<double>::quiet_NaN()).EndArray();
  EXPECT_EQ(json.Take().text, R"(["Infinity","-Infinity","NaN"])");
}

}  // namespace
}  // namespace muster::tracker
