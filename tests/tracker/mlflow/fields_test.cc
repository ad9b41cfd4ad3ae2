#include "tracker/mlflow/fields.h"

#include <gmock/gmock.h>

#include <cmath>

namespace muster::tracker {
namespace {

using testing::ElementsAre;

constexpr std::string_view kDocs =
    " See the API docs for more information about request parameters.";

Fields Post(std::string body) {
  http::Request request{.method = "POST", .body = std::move(body)};
  request.headers["Content-Type"] = "application/json; charset=utf-8";
  return Fields::FromRequest(request).value();
}

TEST(Fields, NumbersInEverySpellingOfProtoJson) {
  Fields fields = Post(R"({"a": 7, "b": "7", "c": 7.0, "d": "7.0", "e": -3})");
  for (const char* name : {"a", "b", "c", "d"}) EXPECT_EQ(fields.RequiredInt(name), 7) << name;
  EXPECT_EQ(fields.Int("e", 0), -3);
  EXPECT_EQ(fields.Int("none", 5), 5);
  EXPECT_TRUE(fields.status().ok());
}

TEST(Fields, DoublesWithNanInfinityTextAndBool) {
  Fields fields = Post(R"({"n": "NaN", "i": "-Infinity", "t": "1.5", "b": true, "d": 0.1})");
  EXPECT_TRUE(std::isnan(fields.RequiredDouble("n")));
  EXPECT_EQ(fields.RequiredDouble("i"), -std::numeric_limits<double>::infinity());
  EXPECT_EQ(fields.RequiredDouble("t"), 1.5);
  EXPECT_EQ(fields.RequiredDouble("b"), 1.0);
  EXPECT_EQ(fields.RequiredDouble("d"), 0.1);
  EXPECT_TRUE(fields.status().ok());
}

TEST(Fields, TheFirstErrorIsReportedInMlflowsWords) {
  Fields missing = Post("{}");
  missing.Required("run_id");
  missing.Required("key");
  EXPECT_EQ(missing.status().error().message,
            "Missing value for required parameter 'run_id'." + std::string(kDocs));
  Fields wrong = Post(R"({"start_time": "soon"})");
  wrong.Int("start_time", 0);
  EXPECT_EQ(wrong.status().error().message,
            "Invalid value \"soon\" for parameter 'start_time' supplied:  Hint: Value was of type "
            "'str'." +
                std::string(kDocs));
}

TEST(Fields, ElementsOfListsNameTheirPlace) {
  Fields fields = Post(R"({"metrics": [{"key": "m"}, {"value": 1}]})");
  for (Fields& metric : fields.List("metrics")) {
    metric.Required("key");
    fields.Take(metric);
  }
  EXPECT_EQ(fields.status().error().message,
            "Missing value for required parameter 'metrics[1].key'." + std::string(kDocs));
}

TEST(Fields, BodiesThatAreNoObjectAreEmptyAndDoubleEncodedOnesAreRead) {
  for (const char* body : {"", "{", "[1]", "12", "\"x\""}) {
    EXPECT_FALSE(Post(body).Has("a")) << body;
  }
  EXPECT_EQ(Post(R"("{\"a\": \"b\"}")").Text("a"), "b");
}

TEST(Fields, ContentTypeMustBeJson) {
  http::Request request{.method = "POST", .body = "{}"};
  EXPECT_EQ(Fields::FromRequest(request).error().message,
            "Bad Request. Content-Type header is missing.");
  request.headers["Content-Type"] = "text/plain";
  EXPECT_EQ(Fields::FromRequest(request).error().message,
            "Bad Request. Content-Type must be one of ['application/json'].");
}

TEST(Fields, QueriesRepeatKeysAndSpellBools) {
  http::Request request{.method = "GET"};
  http::SetTarget(request, "/x?ids=a&ids=b&one=c&yes=True&no=false&max_results=12");
  Fields fields = Fields::FromRequest(request).value();
  EXPECT_THAT(fields.Texts("ids"), ElementsAre("a", "b"));
  EXPECT_THAT(fields.Texts("one"), ElementsAre("c"));
  EXPECT_TRUE(fields.Bool("yes", false));
  EXPECT_FALSE(fields.Bool("no", true));
  EXPECT_EQ(fields.Int("max_results", 0), 12);
  EXPECT_TRUE(fields.status().ok());
  fields.Bool("one", true);
  EXPECT_EQ(fields.status().error().message,
            "Invalid boolean value: c, must be 'true' or 'false'.");
}

}  // namespace
}  // namespace muster::tracker
