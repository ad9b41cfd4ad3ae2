#include "runtime/cli/model_fetch.h"

#include <gmock/gmock.h>
#include <unistd.h>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include "runtime/base/file.h"
#include "runtime/http/server.h"

namespace muster::cli {
namespace {

using ::testing::HasSubstr;

/// A registry with digits/1, whose files the test names.
class FetchModelTest : public ::testing::Test {
 protected:
  void SetUp() override {
    cache_ = std::filesystem::path(::testing::TempDir()) /
             ("fetch-" + std::to_string(::getpid()) + "-" +
              ::testing::UnitTest::GetInstance()->current_test_info()->name());
    router_.Add(
        "GET", "/api/muster/v1/models/digits/versions/1",
        http::Sync([this](const http::Request&) { return http::Response::Json(version_); }));
    router_.Add(
        "GET", "/api/2.0/mlflow-artifacts/artifacts",
        http::Sync([this](const http::Request&) { return http::Response::Json(listing_); }));
    router_.Add("GET", "/api/2.0/mlflow-artifacts/artifacts/{path...}",
                http::Sync([this](const http::Request& request) {
                  paths_.push_back(request.raw_path);
                  return http::Response::Text(version_.at("run_id").as_string().c_str());
                }));
    server_ = *http::Server::Start({}, router_);
  }
  void TearDown() override { std::filesystem::remove_all(cache_); }
  Result<registry::serve::ModelLocation> Fetch() {
    http::Client client(server_->url());
    return FetchModel(client, {"digits", "1"}, cache_);
  }
  void List(std::string name) {
    listing_ = boost::json::object{
        {"files", boost::json::array{boost::json::object{{"path", name}, {"is_dir", false}}}}};
  }

  std::filesystem::path cache_;
  boost::json::object version_{{"version", 1},
                               {"source", "mlflow-artifacts:/1/run/artifacts/model"},
                               {"run_id", "first"},
                               {"created_ms", 5}};
  boost::json::value listing_;
  std::vector<std::string> paths_;
  http::Router router_;
  std::unique_ptr<http::Server> server_;
};

TEST_F(FetchModelTest, OtherVersionOfTheSameNumber_IsAnotherDirectory) {
  List("model.onnx");
  const auto first = Fetch();
  ASSERT_TRUE(first.ok()) << first.error().message;
  EXPECT_EQ(*ReadWholeFile(first->directory / "model.onnx"), "first");
  EXPECT_EQ(*Fetch(), *first);
  EXPECT_EQ(paths_.size(), 1U) << "it is kept";
  version_["run_id"] = "second";  // the registry was made anew
  const auto second = Fetch();
  ASSERT_TRUE(second.ok()) << second.error().message;
  EXPECT_FALSE(*second == *first) << "a follower loads what differs";
  EXPECT_EQ(*ReadWholeFile(second->directory / "model.onnx"), "second");
}

TEST_F(FetchModelTest, NamesOfFiles_AreEncodedAndStayInside) {
  List("a b#?.onnx");
  ASSERT_TRUE(Fetch().ok());
  EXPECT_THAT(paths_.at(0), HasSubstr("/model/a%20b%23%3F.onnx"));
  version_["run_id"] = "second";
  for (const char* name : {"..", "../evil", "a/b", ""}) {
    List(name);
    EXPECT_EQ(Fetch().error().kind, ErrorKind::kCorrupt) << name;
  }
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(cache_ / "digits"), {}), 1)
      << "what failed leaves nothing behind";
}

TEST_F(FetchModelTest, UnexpectedAnswers_AreErrors) {
  for (const boost::json::value& answer :
       {boost::json::value("text"), boost::json::value{1, 2},
        boost::json::value(boost::json::object{{"files", "none"}})}) {
    listing_ = answer;
    EXPECT_FALSE(Fetch().ok());
  }
  version_ = {{"version", "one"}};
  EXPECT_FALSE(Fetch().ok());
}

TEST(ParseModelReference, AliasesAndNumbers) {
  EXPECT_EQ(ParseModelReference("digits@champion")->version, "champion");
  EXPECT_EQ(ParseModelReference("digits/3")->version, "3");
  EXPECT_FALSE(ParseModelReference("digits").ok());
  EXPECT_THAT(ParseModelReference("digits@3").error().message, HasSubstr("say digits/3"));
}

}  // namespace
}  // namespace muster::cli
