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

TEST(Fields, CamelCaseIsReadButForRequiredFields) {
  Fields fields = Post(R"({"pageToken": "t", "maxResults": 5, "runId": "r"})");
  EXPECT_EQ(fields.Text("page_token"), "t");
  EXPECT_EQ(fields.Int("max_results", 0), 5);
  EXPECT_TRUE(fields.status().ok());
  fields.RunId(true);
  EXPECT_EQ(fields.status().error().message,
            "Missing value for required parameter 'run_id'." + std::string(kDocs));
}

TEST(Fields, AFieldInBothSpellings_IsRefusedHoweverDeep) {
  for (const char* body : {R"({"run_id": "a", "runId": "b"})",
                           R"({"metrics": [{"x": {"run_id": "a", "runId": "a"}}]})"}) {
    http::Request request{.method = "POST", .body = body};
    request.headers["Content-Type"] = "application/json";
    EXPECT_EQ(Fields::FromRequest(request).error().message,
              "Request specifies both 'run_id' and 'runId'; provide only one of them.");
  }
}

TEST(Fields, EnumeratorsByNameOrNumber_UnknownNamesAreAbsent) {
  static constexpr std::pair<std::string_view, std::int64_t> kKnown[] = {{"A", 1}, {"B", 2}};
  Fields fields = Post(R"({"a": "B", "b": 2, "c": "2", "d": "X", "e": 7, "f": [1]})");
  for (const char* name : {"a", "b", "c"}) EXPECT_EQ(fields.Enumerator(name, kKnown), 2) << name;
  for (const char* name : {"d", "none"}) {
    EXPECT_EQ(fields.Enumerator(name, kKnown), std::nullopt) << name;
  }
  EXPECT_TRUE(fields.status().ok());
  for (const char* name : {"e", "f"}) {
    Fields other = fields;
    EXPECT_EQ(other.Enumerator(name, kKnown), std::nullopt);
    EXPECT_THAT(other.status().error().message, testing::HasSubstr("Hint: Value was of type"));
  }
}

TEST(Fields, WrongValuesAreShownAsPythonDumpsThem) {
  Fields fields = Post(R"({"tags": {"b": [1.0, 1e300, null, true], "a": "ü\n"}})");
  fields.List("tags");
  EXPECT_EQ(fields.status().error().message,
            R"(Invalid value {"a":"\u00fc\n","b":[1.0,1e+300,null,true]} for parameter 'tags' )"
            "supplied:  Hint: Value was of type 'dict'." +
                std::string(kDocs));
}

TEST(Fields, NumbersBeyondTheirBound_AreWrongValues) {
  Fields fields = Post(R"({"max_results": 50001})");
  fields.IntUpTo("max_results", 50'000, 1);
  EXPECT_EQ(fields.status().error().message,
            "Invalid value 50001 for parameter 'max_results' supplied:  Hint: Value was of type "
            "'int'." +
                std::string(kDocs));
}

TEST(Fields, RunUuid_StandsForRunIdWhereTheMessageHasIt) {
  EXPECT_EQ(Post(R"({"run_uuid": "a"})").RunId(true), "a");
  Fields other = Post(R"({"run_uuid": "a"})");
  EXPECT_EQ(other.RunId(false), "");
  EXPECT_TRUE(other.status().ok());
}

TEST(Fields, QueriesRepeatKeysAndSpellBools) {
  http::Request request{.method = "GET"};
  http::SetTarget(request, "/x?ids=a&ids=b&one=c&yes=tRue&no=false&max_results=12");
  Fields fields = Fields::FromRequest(request).value();
  EXPECT_THAT(fields.Texts("ids"), ElementsAre("a", "b"));
  EXPECT_THAT(fields.Texts("one"), ElementsAre("c"));
  EXPECT_EQ(fields.Text("ids"), "a") << "of a field that is no list the first";
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
