#include "registry/serve/watch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <filesystem>
#include <fstream>
#include <future>
#include <thread>

#include "registry/serve/model_server.h"
#include "tests/registry/monitor/versions.h"
#include "tests/registry/serve/factor_engine.h"

/// Requests and labels through a server's routes, and what is known of them afterwards.

namespace muster::registry::serve {
namespace {

using std::chrono::seconds;
using ::testing::HasSubstr;

/// One input, a logit that is it, and labels that it is always right about: class 1 above 0.
monitor::TestVersion Sign(int rows) {
  Random random(1);
  monitor::TestVersion version;
  for (int row = 0; row < rows; ++row) {
    const auto x = static_cast<float>(random.Normal());
    version.logits.push_back(x);
    version.evaluation.labels.push_back(x > 0 ? 1 : 0);
  }
  version.evaluation.task = Task::kBinary;
  version.evaluation.threshold = 0.5;
  version.evaluation.classes = 1;
  version.evaluation.inputs = {monitor::F32("x", {rows, 1}, version.logits)};
  version.evaluation.reference = version.logits;
  return version;
}

class WatchTest : public ::testing::TestWithParam<bool> {
 protected:
  WatchTest() {
    ModelServerOptions options{.watch = WatchOptions{.window = seconds(60)}};
    if (GetParam()) options.batch = {.rows = 8};
    server_ = std::make_unique<ModelServer>(engine_, options, clock_);
    server_->AddRoutes(router_);
    const std::string baseline = Sign(1'000).Text();
    for (const char* version : {"1", "2"}) {
      std::filesystem::create_directories(folder_ / version);
      std::ofstream(folder_ / version / "baseline.json") << baseline;
    }
    const Status loaded = server_->Load({"m", 1, folder_ / "1"});
    EXPECT_TRUE(loaded.ok()) << loaded.error().message;
  }
  ~WatchTest() override { std::filesystem::remove_all(folder_); }

  http::Response Send(std::string method, std::string_view target, std::string body = {},
                      http::Headers headers = {}) {
    http::Request request{.method = std::move(method)};
    http::SetTarget(request, target);
    request.body = std::move(body);
    request.headers = std::move(headers);
    std::promise<http::Response> answer;
    router_.Dispatch(std::move(request),
                     [&](http::Response response) { answer.set_value(std::move(response)); });
    return answer.get_future().get();
  }
  http::Response Infer(float x, const std::string& id, const http::Headers& headers = {}) {
    return Send("POST", "/v2/models/m/infer",
                R"({"id":")" + id +
                    R"(","inputs":[{"name":"x","shape":[1,1],"datatype":"FP32","data":[)" +
                    std::to_string(x) + "]}]}",
                headers);
  }
  boost::json::object Label(const std::string& id, const std::string& label) {
    const auto response = Send("POST", "/v2/models/m/outcomes",
                               R"({"outcomes":[{"id":")" + id + R"(","label":)" + label + "}]}");
    EXPECT_EQ(response.status, 200) << response.body;
    return boost::json::parse(response.body).as_object();
  }
  boost::json::object Monitored() {
    const auto response = Send("GET", "/v2/models/m/monitor");
    EXPECT_EQ(response.status, 200) << response.body;
    return boost::json::parse(response.body).as_object();
  }
  /// A request is observed after its answer is on its way.
  void WaitFor(std::int64_t requests) {
    for (int i = 0; i < 5'000; ++i) {
      if (Monitored().at("open").at("metrics").at("requests") == static_cast<double>(requests))
        return;
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    FAIL() << boost::json::serialize(Monitored());
  }

  const std::filesystem::path folder_ =
      std::filesystem::path(::testing::TempDir()) / ("watch-" + std::to_string(::getpid()));
  FakeClock clock_;
  FactorEngine engine_;
  http::Router router_;
  std::unique_ptr<ModelServer> server_;
};
INSTANTIATE_TEST_SUITE_P(AloneAndBatched, WatchTest, ::testing::Bool());

TEST_P(WatchTest, RequestsAndLabels_AreJoinedById) {
  for (int i = 0; i < 50; ++i) {
    EXPECT_EQ(Infer(i % 2 == 0 ? 1 : -1, "r" + std::to_string(i)).status, 200);
  }
  WaitFor(50);
  for (int i = 0; i < 40; ++i) {
    // The last ten are wrong.
    EXPECT_EQ(Label("r" + std::to_string(i), (i % 2 == 0) == (i < 30) ? "1" : "0").at("joined"), 1);
  }
  EXPECT_EQ(Label("r0", "1").at("duplicate"), 1);
  EXPECT_EQ(Label("r1", "true").at("replaced"), 1);
  EXPECT_EQ(Label("r1", "[0]").at("replaced"), 1);
  EXPECT_EQ(Label("nobody", "1").at("unknown"), 1);
  EXPECT_THAT(boost::json::serialize(Label("r2", "7").at("refused")), HasSubstr("index"));
  const auto metrics = Monitored().at("open").at("metrics").as_object();
  EXPECT_EQ(metrics.at("labelled"), 40.0);
  EXPECT_EQ(metrics.at("accuracy"), 0.75);
}

TEST_P(WatchTest, IdOfTheHeader_ServesToo) {
  const std::string id(Infer(1, "", {{"X-Request-Id", "mine"}}).headers.at("X-Request-Id"));
  EXPECT_EQ(id, "mine");
  WaitFor(1);
  EXPECT_EQ(Label("mine", "1").at("joined"), 1);
}

TEST_P(WatchTest, WindowEnds_WithWhatItSaysOfDrift) {
  for (int i = 0; i < 200; ++i) Infer(5, "");
  WaitFor(200);
  EXPECT_TRUE(server_->TurnWindows().empty());
  clock_.Advance(seconds(60));
  const auto windows = server_->TurnWindows();
  ASSERT_EQ(windows.size(), 1U);
  EXPECT_EQ(windows[0].model + "/" + windows[0].version, "m/1");
  EXPECT_GT(windows[0].metrics.at("drift.largest"), 1) << "all inputs are 5, of a normal they were";
  EXPECT_EQ(windows[0].metrics.at("drift.columns"), 1);
  EXPECT_GT(windows[0].metrics.at("memory_mib"), 1);
  EXPECT_TRUE(windows[0].metrics.contains("cpu"));
  const auto monitored = Monitored();
  EXPECT_EQ(monitored.at("windows").as_array().size(), 1U);
  EXPECT_EQ(monitored.at("open").at("metrics").at("requests"), 0.0);
  EXPECT_EQ(boost::json::parse(Send("GET", "/v2/models/m/monitor/window").body).at("format"), 1);
}

TEST_P(WatchTest, WrongChallenger_IsFoundByItsLabels) {
  engine_.Of("2").plus = -100;  // class 0 whatever comes
  ASSERT_TRUE(
      server_->Challenge({"m", 2, folder_ / "2"}, {.rollout = {.steps = {0.5}, .loss = 0.05}})
          .ok());
  const auto experiment = server_->ExperimentOn("m");
  for (int i = 0; i < 400 && experiment->state() == Rollout::State::kRunning; ++i) {
    const std::string id = "r" + std::to_string(i);
    ASSERT_EQ(Infer(i % 2 == 0 ? 1 : -1, id).status, 200);
    for (int k = 0; k < 5'000 && Label(id, i % 2 == 0 ? "1" : "0").at("unknown") == 1; ++k) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  }
  EXPECT_EQ(experiment->state(), Rollout::State::kRolledBack);
  EXPECT_THAT(boost::json::serialize(experiment->LastDecision()), HasSubstr("right: challenger"));
}

TEST_P(WatchTest, WhatIsNotWatched_SaysSo) {
  std::filesystem::create_directories(folder_ / "3");
  ASSERT_TRUE(server_->Load({"bare", 3, folder_ / "3"}).ok());
  EXPECT_THAT(Send("GET", "/v2/models/bare/monitor").body, HasSubstr("no baseline.json"));
  EXPECT_EQ(Send("GET", "/v2/models/none/monitor").status, 404);
  EXPECT_EQ(
      Send("POST", "/v2/models/bare/outcomes", R"({"outcomes":[{"id":"a","label":1}]})").status,
      404);
  EXPECT_EQ(Send("POST", "/v2/models/m/outcomes", "{").status, 400);
  EXPECT_THAT(Send("POST", "/v2/models/m/outcomes", R"({"outcome":[]})").body,
              HasSubstr("outcome"));
  std::ofstream(folder_ / "3" / "baseline.json") << "{}";
  EXPECT_THAT(server_->Load({"bare", 3, folder_ / "3"}).error().message,
              HasSubstr("baseline.json"));
}

}  // namespace
}  // namespace muster::registry::serve
