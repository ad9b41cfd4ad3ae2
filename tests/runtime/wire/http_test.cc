#include "runtime/wire/http.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json/parse.hpp>

namespace muster::http {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

/// Answers "<tag> name=value ..." with the captures in order of name.
Handler Echo(std::string tag) {
  return Sync([tag](const Request& request) {
    std::string text = tag;
    for (const auto& [name, value] : request.captures) text += " " + name + "=" + value;
    return Response::Text(text);
  });
}

Response Send(const Router& router, std::string method, std::string_view target) {
  Request request;
  request.method = std::move(method);
  SetTarget(request, target);
  std::vector<Response> answers;
  router.Dispatch(std::move(request), [&](Response response) { answers.push_back(response); });
  EXPECT_EQ(answers.size(), 1U);
  return answers.empty() ? Response{} : answers.front();
}

Router TestRouter() {
  Router router;
  router.Add("GET", "/", Echo("root"));
  router.Add("GET", "/sweeps", Echo("list"));
  router.Add("GET", "/sweeps/{id}", Echo("show"));
  router.Add("POST", "/sweeps/latest", Echo("post latest"));
  router.Add("GET", "/sweeps/{id}/trials/{trial}", Echo("trial"));
  router.Add("GET", "/sweeps/all/trials", Echo("all trials"));
  router.AddUpload("PUT", "/artifacts/{path...}", Echo("put"));
  router.Add("GET", "/artifacts/{path...}", Echo("get"));
  return router;
}

TEST(Router, Dispatch_LiteralAndCapture_LiteralWins) {
  Router router = TestRouter();
  router.Add("GET", "/sweeps/newest", Echo("newest"));
  EXPECT_EQ(Send(router, "GET", "/sweeps/newest").body, "newest");
  EXPECT_EQ(Send(router, "GET", "/sweeps/7").body, "show id=7");
  EXPECT_EQ(Send(router, "GET", "/").body, "root");
}

TEST(Router, Dispatch_LiteralBranchFails_FallsBackToCapture) {
  const Router router = TestRouter();
  EXPECT_EQ(Send(router, "GET", "/sweeps/all/trials/3").body, "trial id=all trial=3");
  // The literal node knows only POST; the capture beside it takes GET.
  EXPECT_EQ(Send(router, "GET", "/sweeps/latest").body, "show id=latest");
}

TEST(Router, Dispatch_Rest_KeepsSlashesAndDecodes) {
  const Router router = TestRouter();
  EXPECT_EQ(Send(router, "GET", "/artifacts/a/b%20c/d.txt").body, "get path=a/b c/d.txt");
  EXPECT_EQ(Send(router, "GET", "/artifacts/").body, "get path=");
  EXPECT_EQ(Send(router, "GET", "/artifacts").status, 404);
}

TEST(Router, Dispatch_EncodedSlash_DoesNotSplitAPart) {
  const Router router = TestRouter();
  EXPECT_EQ(Send(router, "GET", "/sweeps/a%2Fb").body, "show id=a/b");
  EXPECT_EQ(Send(router, "GET", "/%73weeps").body, "list");
}

TEST(Router, Dispatch_Head_UsesGet) {
  EXPECT_EQ(Send(TestRouter(), "HEAD", "/sweeps/9").body, "show id=9");
}

TEST(Router, Dispatch_OtherMethodOnly_405WithAllow) {
  const Response response = Send(TestRouter(), "DELETE", "/artifacts/x");
  EXPECT_EQ(response.status, 405);
  EXPECT_THAT(response.headers, testing::Contains(Pair("Allow", "PUT, GET, HEAD")));
}

TEST(Router, Dispatch_NoPattern_404JsonOrFallback) {
  Router router = TestRouter();
  const Response response = Send(router, "GET", "/nowhere?x=1");
  EXPECT_EQ(response.status, 404);
  EXPECT_THAT(response.body, HasSubstr("\"code\":\"NOT_FOUND\""));
  EXPECT_THAT(response.body, HasSubstr("/nowhere"));
  EXPECT_EQ(Send(router, "GET", "/sweeps//trials/1").status, 404);  // an empty part is no id
  EXPECT_EQ(Send(router, "GET", "//sweeps/9").body, "show id=9") << "an address that ends in '/'";
  router.SetFallback(Echo("fallback"));
  EXPECT_EQ(Send(router, "GET", "/nowhere").body, "fallback");
}

TEST(Router, Dispatch_BlockingRoute_IsDeferredWithItsRequest) {
  Router router = TestRouter();
  router.AddBlocking("GET", "/slow/{id}", Echo("slow"));
  std::vector<std::function<void()>> deferred;
  std::vector<std::string> answers;
  for (const auto& [method, target] : std::vector<std::pair<std::string, std::string>>{
           {"GET", "/slow/7"}, {"PUT", "/artifacts/a"}, {"GET", "/sweeps/9"}}) {
    Request request;
    request.method = method;
    SetTarget(request, target);
    router.Dispatch(
        std::move(request), [&](const Response& response) { answers.push_back(response.body); },
        [&](std::function<void()> call) { deferred.push_back(std::move(call)); });
  }
  EXPECT_EQ(answers, std::vector<std::string>{"show id=9"});
  for (const auto& call : deferred) call();
  EXPECT_EQ(answers, (std::vector<std::string>{"show id=9", "slow id=7", "put path=a"}));
  EXPECT_EQ(Send(router, "GET", "/slow/8").body, "slow id=8");
}

TEST(Router, WantsFile_OnlyUploads) {
  const Router router = TestRouter();
  EXPECT_TRUE(router.WantsFile("PUT", "/artifacts/a/b"));
  EXPECT_FALSE(router.WantsFile("GET", "/artifacts/a/b"));
  EXPECT_FALSE(router.WantsFile("PUT", "/sweeps"));
}

TEST(RouterDeathTest, Add_SameTwice_Aborts) {
  Router router = TestRouter();
  EXPECT_DEATH(router.Add("GET", "/sweeps/{other}", Echo("")), "added twice");
  EXPECT_DEATH(router.Add("GET", "/a/{rest...}/b", Echo("")), "ends a pattern");
  EXPECT_DEATH(router.Add("GET", "/a/x{id}", Echo("")), "whole part");
}

TEST(SetTarget, SplitsAndDecodesOnce) {
  Request request;
  SetTarget(request, "/a%252Fb/c%20d?x=1&y=a+b%21&x=2&flag&&=v");
  EXPECT_EQ(request.raw_path, "/a%252Fb/c%20d");
  EXPECT_EQ(request.path, "/a%2Fb/c d");
  EXPECT_THAT(request.query,
              ElementsAre(Pair("", ElementsAre("v")), Pair("flag", ElementsAre("")),
                          Pair("x", ElementsAre("1", "2")), Pair("y", ElementsAre("a b!"))));
  EXPECT_EQ(request.Parameter("x"), "1");
  EXPECT_EQ(request.Parameter("z"), std::nullopt);
}

TEST(SetTarget, BytesThatAreNoUtf8_AreReplaced_SoThatAnswersStayJson) {
  Request request;
  SetTarget(request, "/a%90b\xFF?x=%C3&%FE=ä");
  EXPECT_EQ(request.path, "/a\uFFFDb\uFFFD");
  EXPECT_EQ(request.raw_path, "/a%90b\xFF");
  EXPECT_EQ(request.Parameter("x"), "\uFFFD");
  EXPECT_EQ(request.Parameter("\uFFFD"), "ä");
  const auto body = boost::json::parse(ErrorResponse(NotFound("no \xFF")).body);
  EXPECT_EQ(body.at("error").at("message"), "no \uFFFD");
}

TEST(SetTarget, AbsoluteForm_DropsTheAuthority) {
  Request request;
  SetTarget(request, "http://host:7070/a?b=c");
  EXPECT_EQ(request.path, "/a");
  EXPECT_EQ(request.Parameter("b"), "c");
  SetTarget(request, "http://host");
  EXPECT_EQ(request.path, "/");
  EXPECT_TRUE(request.query.empty());
}

TEST(PercentCoding, RoundTripsEveryByteAndKeepsMalformed) {
  std::string every;
  for (int byte = 0; byte < 256; ++byte) every += static_cast<char>(byte);
  EXPECT_EQ(PercentDecode(PercentEncode(every)), every);
  EXPECT_EQ(PercentEncode("a/b c~"), "a%2Fb%20c~");
  EXPECT_EQ(PercentEncode("a/b c~", true), "a/b%20c~");
  EXPECT_EQ(PercentDecode("%"), "%");
  EXPECT_EQ(PercentDecode("%4"), "%4");
  EXPECT_EQ(PercentDecode("%zz%41"), "%zzA");
  EXPECT_EQ(PercentDecode("a+b"), "a+b");
}

TEST(Request, HeadersCompareWithoutCase) {
  Request request;
  request.headers["Content-Type"] = "application/json";
  request.headers["authorization"] = "bearer  secret";
  EXPECT_EQ(request.Header("content-type"), "application/json");
  EXPECT_EQ(request.Header("X-Missing"), "");
  EXPECT_EQ(request.BearerToken(), "secret");
  request.headers["Authorization"] = "Basic abc";
  EXPECT_EQ(request.BearerToken(), "");
}

TEST(Errors, EveryKindRoundTripsThroughAResponse) {
  for (const ErrorKind kind :
       {ErrorKind::kInvalid, ErrorKind::kNotFound, ErrorKind::kAlreadyExists, ErrorKind::kConflict,
        ErrorKind::kFenced, ErrorKind::kUnauthorized, ErrorKind::kUnavailable, ErrorKind::kResource,
        ErrorKind::kCorrupt, ErrorKind::kUnsupported, ErrorKind::kIo, ErrorKind::kInternal}) {
    const Error error{kind, "sweep \"x\" is odd"};
    const Response response = ErrorResponse(error);
    EXPECT_GE(response.status, 400);
    EXPECT_EQ(ErrorFromResponse(response), error);
  }
}

TEST(Errors, ForeignForms_AreUnderstood) {
  const Error mlflow = ErrorFromResponse(
      Response::Text(R"({"error_code":"RESOURCE_ALREADY_EXISTS","message":"there"})", 400));
  EXPECT_EQ(mlflow, AlreadyExists("there"));
  EXPECT_EQ(ErrorFromResponse(Response::Text(R"({"error":"no model"})", 404)),
            NotFound("no model"));
  const Error text = ErrorFromResponse(Response::Text("<html>", 502));
  EXPECT_EQ(text.kind, ErrorKind::kUnavailable);
  EXPECT_THAT(text.message, HasSubstr("502"));
}

}  // namespace
}  // namespace muster::http
