#include "registry/serve/experiment.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <filesystem>
#include <fstream>
#include <future>
#include <thread>

#include "registry/serve/challenger_follower.h"
#include "registry/serve/model_server.h"
#include "tests/registry/serve/factor_engine.h"

/// Challengers in a server: requests through its routes, a clock of the test's own.

namespace muster::registry::serve {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::HasSubstr;

/// The challenger's alias, which the test moves.
class Alias final : public ModelSource {
 public:
  Result<ModelLocation> Current() override {
    if (version == 0) return NotFound("no such alias");
    return ModelLocation{"m", version, "/models/m/" + std::to_string(version)};
  }
  std::int64_t version = 2;
};

class Registry final : public ExperimentReporter {
 public:
  Status Report(const ExperimentEnd& end) override {
    if (away) return Unavailable("the registry is away");
    if (refuses && end.took_over) return Fenced("2 approvals are missing");
    ends.push_back(end);
    return Ok();
  }
  void Progress(const ExperimentStep& step) override { shares.push_back(step.share); }
  std::vector<double> shares;
  bool away = false, refuses = false;
  std::vector<ExperimentEnd> ends;
};

class ExperimentTest : public ::testing::Test {
 protected:
  ExperimentTest() : server_(engine_, {}, clock_) {
    server_.AddRoutes(router_);
    Load(1);
  }
  void Load(std::int64_t version) {
    const Status loaded = server_.Load({"m", version, "/models/m/" + std::to_string(version)});
    ASSERT_TRUE(loaded.ok()) << loaded.error().message;
  }
  http::Response Send(std::string method, std::string_view target, std::string body = {},
                      const std::string& key = {}) {
    http::Request request{.method = std::move(method)};
    http::SetTarget(request, target);
    request.body = std::move(body);
    if (!key.empty()) request.headers["X-Muster-Key"] = key;
    std::promise<http::Response> answer;
    router_.Dispatch(std::move(request),
                     [&](http::Response response) { answer.set_value(std::move(response)); });
    clock_.Advance(milliseconds(10));
    return answer.get_future().get();
  }
  http::Response Infer(const std::string& key = {}, const std::string& path = "/v2/models/m") {
    return Send("POST", path + "/infer",
                R"({"inputs":[{"name":"x","shape":[1,1],"datatype":"FP32","data":[1]}]})", key);
  }
  std::string VersionFor(const std::string& key = {}, const std::string& path = "/v2/models/m") {
    const auto response = Infer(key, path);
    if (response.status != 200) return "status " + std::to_string(response.status);
    return std::string(boost::json::parse(response.body).at("model_version").as_string());
  }
  boost::json::object Rollout() {
    return boost::json::parse(Send("GET", "/v2/models/m/rollout").body).as_object();
  }
  /// Steps quick enough for some hundred requests.
  static ExperimentOptions Quick() {
    return {.rollout = {.steps = {0.2, 1}, .step_time = seconds(1), .step_answers = 30}};
  }

  FakeClock clock_;
  FactorEngine engine_;
  ModelServer server_;
  http::Router router_;
  Alias alias_;
  Registry registry_;
  DecisionLog log_;
};

TEST_F(ExperimentTest, GoodChallenger_TakesOver) {
  ChallengerFollower follower(alias_, server_, Quick(), registry_, log_);
  ASSERT_TRUE(follower.Step().ok());
  int challenger = 0, requests = 0;
  for (; server_.Find("m")->version == "1" && requests < 2'000; ++requests) {
    const std::string version = VersionFor("user" + std::to_string(requests));
    ASSERT_THAT(version, ::testing::AnyOf("1", "2"));
    challenger += version == "2" ? 1 : 0;
    ASSERT_TRUE(follower.Step().ok());
  }
  EXPECT_EQ(server_.Find("m")->version, "2");
  EXPECT_NEAR(challenger, 30, 1) << "of " << requests;
  ASSERT_EQ(registry_.ends.size(), 1U);
  EXPECT_TRUE(registry_.ends[0].took_over);
  EXPECT_THAT(registry_.shares, ::testing::ElementsAre(0.2));
  EXPECT_EQ(registry_.ends[0].champion, 1);
  EXPECT_EQ(registry_.ends[0].challenger, 2);
  const auto rollout = Rollout();
  EXPECT_TRUE(rollout.at("running").is_null());
  const auto& past = rollout.at("past").as_array();
  ASSERT_EQ(past.size(), 1U);
  EXPECT_EQ(past[0].at("state").as_string(), "done");
  EXPECT_EQ(past[0].at("decisions").as_array().size(), 2U);
  EXPECT_EQ(VersionFor(), "2");
}

TEST_F(ExperimentTest, BrokenChallenger_GoesBackByItself) {
  engine_.Of("2").answers = false;
  ChallengerFollower follower(alias_, server_, Quick(), registry_, log_);
  ASSERT_TRUE(follower.Step().ok());
  int failed = 0;
  for (int i = 0; i < 500; ++i) failed += VersionFor() == "status 500" ? 1 : 0;
  EXPECT_GT(failed, 0);
  EXPECT_LE(failed, 24) << "a handful until the evidence is there, none after";
  EXPECT_TRUE(registry_.ends.empty()) << "nobody had to be asked";
  ASSERT_TRUE(follower.Step().ok());
  ASSERT_EQ(registry_.ends.size(), 1U);
  EXPECT_FALSE(registry_.ends[0].took_over);
  EXPECT_THAT(registry_.ends[0].reason, HasSubstr("answered: challenger 0 %"));
  EXPECT_EQ(server_.Find("m", "2"), nullptr) << "its memory is given back";
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(follower.Step().ok());
  EXPECT_EQ(server_.ExperimentOn("m"), nullptr) << "not tried again";

  engine_.Of("2").answers = true;
  alias_.version = 0;
  ASSERT_TRUE(follower.Step().ok());
  alias_.version = 2;
  ASSERT_TRUE(follower.Step().ok());
  EXPECT_NE(server_.ExperimentOn("m"), nullptr) << "somebody has set the alias again";
}

TEST_F(ExperimentTest, BadRequests_ProveNothing) {
  ChallengerFollower follower(alias_, server_, Quick(), registry_, log_);
  ASSERT_TRUE(follower.Step().ok());
  for (int i = 0; i < 200; ++i) EXPECT_EQ(Send("POST", "/v2/models/m/infer", "{").status, 400);
  const auto arms = Rollout().at("running").at("arms");
  EXPECT_EQ(arms.at("challenger").at("answered").at("count"), 0);
  EXPECT_EQ(arms.at("champion").at("answered").at("count"), 0);
}

TEST_F(ExperimentTest, KeysStick_AndVersionsThatAreAskedForAreAnsweredByThem) {
  ChallengerFollower follower(alias_, server_, Quick(), registry_, log_);
  ASSERT_TRUE(follower.Step().ok());
  for (int user = 0; user < 10; ++user) {
    const std::string key = "user" + std::to_string(user);
    EXPECT_EQ(VersionFor(key), VersionFor(key));
  }
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(VersionFor({}, "/v2/models/m/versions/2"), "2");
    EXPECT_EQ(VersionFor({}, "/v2/models/m/versions/1"), "1");
  }
  const auto arms = Rollout().at("running").at("arms");
  EXPECT_EQ(arms.at("challenger").at("answered").at("count").as_int64() +
                arms.at("champion").at("answered").at("count").as_int64(),
            20)
      << "the drawn ones alone";
}

TEST_F(ExperimentTest, WrongLabels_SendItBack) {
  ASSERT_TRUE(server_.Challenge({"m", 2, "/models/m/2"}, Quick()).ok());
  const auto experiment = server_.ExperimentOn("m");
  const auto right = [&](const ServedModel& by, const std::string& id, bool right) {
    experiment->Answered(by, by.version + id, true, milliseconds(1));
    experiment->Labelled(by, by.version + id, right);
    experiment->Labelled(by, "another's", !right);
  };
  for (int i = 0; i < 300; ++i) {
    right(*experiment->champion(), std::to_string(i), i % 10 != 0);
    right(*experiment->challenger(), std::to_string(i), i % 2 != 0);
  }
  EXPECT_EQ(experiment->state(), muster::registry::Rollout::State::kRolledBack);
  EXPECT_THAT(boost::json::serialize(experiment->LastDecision()), HasSubstr("right: challenger 5"));
}

TEST_F(ExperimentTest, RegistryAway_TheDecisionStandsAndIsToldLater) {
  registry_.away = true;
  ChallengerFollower follower(alias_, server_, Quick(), registry_, log_);
  ASSERT_TRUE(follower.Step().ok());
  for (int i = 0; i < 600; ++i) Infer();
  EXPECT_FALSE(follower.Step().ok());
  for (int i = 0; i < 20; ++i) EXPECT_EQ(VersionFor(), "2") << "it serves all the same";
  registry_.away = false;
  EXPECT_TRUE(follower.Step().ok());
  EXPECT_EQ(registry_.ends.size(), 1U);
  EXPECT_EQ(server_.Find("m")->version, "2");
}

TEST_F(ExperimentTest, RegistryRefuses_ItGoesBack) {
  registry_.refuses = true;
  ChallengerFollower follower(alias_, server_, Quick(), registry_, log_);
  ASSERT_TRUE(follower.Step().ok());
  for (int i = 0; i < 600; ++i) Infer();
  EXPECT_THAT(follower.Step().error().message, HasSubstr("goes back all the same: 2 approvals"));
  EXPECT_EQ(VersionFor(), "1");
  EXPECT_TRUE(follower.Step().ok());
  EXPECT_EQ(server_.ExperimentOn("m"), nullptr) << "not tried again";
}

TEST_F(ExperimentTest, AliasTakenAway_EndsIt) {
  ChallengerFollower follower(alias_, server_, Quick(), registry_, log_);
  ASSERT_TRUE(follower.Step().ok());
  alias_.version = 0;
  ASSERT_TRUE(follower.Step().ok());
  ASSERT_TRUE(follower.Step().ok());
  EXPECT_EQ(server_.ExperimentOn("m"), nullptr);
  EXPECT_EQ(registry_.ends.back().reason, "the challenger was taken away");
}

TEST_F(ExperimentTest, NewChampion_EndsItAndANewOneBegins) {
  ChallengerFollower follower(alias_, server_, Quick(), registry_, log_);
  ASSERT_TRUE(follower.Step().ok());
  Load(3);
  EXPECT_EQ(server_.ExperimentOn("m"), nullptr);
  EXPECT_EQ(VersionFor(), "3");
  ASSERT_TRUE(follower.Step().ok());
  EXPECT_EQ(server_.ExperimentOn("m")->champion()->version, "3");
  Load(2);
  ASSERT_TRUE(follower.Step().ok());
  EXPECT_EQ(server_.ExperimentOn("m"), nullptr) << "it is the champion now";
}

TEST_F(ExperimentTest, AliasMoves_TheNewOneChallenges) {
  ChallengerFollower follower(alias_, server_, Quick(), registry_, log_);
  ASSERT_TRUE(follower.Step().ok());
  alias_.version = 3;
  ASSERT_TRUE(follower.Step().ok());
  EXPECT_EQ(server_.ExperimentOn("m")->challenger()->version, "3");
  EXPECT_EQ(server_.Find("m", "2"), nullptr);
}

TEST_F(ExperimentTest, RollbackByHand) {
  EXPECT_EQ(Send("POST", "/v2/models/m/rollout/rollback").status, 404);
  EXPECT_EQ(Send("GET", "/v2/models/none/rollout").status, 404);
  ASSERT_TRUE(server_.Challenge({"m", 2, "/models/m/2"}, Quick()).ok());
  EXPECT_EQ(Send("POST", "/v2/models/m/rollout/rollback", "[]").status, 400);
  const auto back = Send("POST", "/v2/models/m/rollout/rollback", R"({"reason":"I say so"})");
  EXPECT_EQ(back.status, 200);
  EXPECT_THAT(back.body, HasSubstr(R"("reason":"asked for: I say so")"));
  for (int i = 0; i < 50; ++i) EXPECT_EQ(VersionFor(), "1");
}

TEST_F(ExperimentTest, WhatCannotChallenge_SaysWhy) {
  engine_.Of("2").input = "z";
  engine_.Of("3").loads = false;
  const auto message = [&](std::int64_t version, const ExperimentOptions& options = Quick()) {
    const Status status =
        server_.Challenge({"m", version, "/models/m/" + std::to_string(version)}, options);
    return status.ok() ? "" : status.error().message;
  };
  EXPECT_THAT(message(2), HasSubstr("m version 2 has other inputs or outputs than version 1"));
  EXPECT_THAT(message(3), HasSubstr("version 3 is no model"));
  EXPECT_THAT(message(1), HasSubstr("is the champion itself"));
  EXPECT_THAT(message(4, {.rollout = {.alpha = 2}}), HasSubstr("at alpha"));
  ChallengerFollower follower(alias_, server_, Quick(), registry_, log_);
  for (int i = 0; i < 3; ++i)
    EXPECT_THAT(follower.Step().error().message, HasSubstr("cannot challenge"));
  EXPECT_EQ(VersionFor(), "1");
}

TEST_F(ExperimentTest, Shadow_ComparesAndAnswersNobody) {
  engine_.Of("2").plus = -1;  // 2 x - 1 is x for x = 1
  ASSERT_TRUE(server_.Challenge({"m", 2, "/models/m/2"}, {.shadow = ShadowOptions{}}).ok());
  const auto shadow = [&] { return Rollout().at("running").at("shadow").as_object(); };
  const auto compared = [&](std::int64_t wanted) {
    for (int i = 0; i < 5'000 && shadow().at("compared").to_number<std::int64_t>() < wanted; ++i) {
      std::this_thread::sleep_for(milliseconds(1));
    }
  };
  for (int i = 0; i < 20; ++i) EXPECT_EQ(VersionFor(), "1");
  compared(20);
  EXPECT_EQ(shadow().at("same").at("rate"), 1.0);
  engine_.Of("2").plus = 5;
  for (int i = 0; i < 20; ++i) EXPECT_EQ(VersionFor(), "1");
  compared(40);
  EXPECT_EQ(shadow().at("same").at("rate"), 0.5);
  EXPECT_EQ(shadow().at("max_difference"), 6.0);
  engine_.Of("2").answers = false;
  for (int i = 0; i < 20; ++i) EXPECT_EQ(VersionFor(), "1");
  compared(60);
  EXPECT_EQ(shadow().at("failed"), 20);
}

// --- the decision log --------------------------------------------------------------------------------

class DecisionLogTest : public ::testing::Test {
 protected:
  void TearDown() override { std::filesystem::remove(file_); }
  void Write(const std::string& text) { std::ofstream(file_, std::ios::app) << text; }
  static boost::json::object Decision(const std::string& state) {
    return {{"state", state}, {"model", "m"}, {"challenger", "2"}};
  }
  const std::filesystem::path file_ =
      std::filesystem::path(::testing::TempDir()) / ("decisions-" + std::to_string(::getpid()));
};

TEST_F(DecisionLogTest, RemembersWhatWasSentBack) {
  {
    auto log = DecisionLog::Open(file_);
    ASSERT_TRUE(log.ok());
    ASSERT_TRUE(log->Append(Decision("running")).ok());
    EXPECT_FALSE(log->WasSentBack("m", "2"));
    ASSERT_TRUE(log->Append(Decision("rolled_back")).ok());
  }
  Write(R"({"state":"runni)");  // a crash
  {
    auto log = DecisionLog::Open(file_);
    ASSERT_TRUE(log.ok()) << log.error().message;
    EXPECT_TRUE(log->WasSentBack("m", "2"));
    EXPECT_FALSE(log->WasSentBack("m", "3"));
    ASSERT_TRUE(log->Forget().ok());
    EXPECT_FALSE(log->WasSentBack("m", "2"));
  }
  auto log = DecisionLog::Open(file_);
  ASSERT_TRUE(log.ok()) << log.error().message;
  EXPECT_FALSE(log->WasSentBack("m", "2"));
}

TEST_F(DecisionLogTest, OtherFiles_AreRefused) {
  Write("{\"state\":\"running\",\"model\":\"m\",\"challenger\":\"2\"}\nhello\n");
  const auto log = DecisionLog::Open(file_);
  ASSERT_FALSE(log.ok());
  EXPECT_THAT(log.error().message, HasSubstr("line 2: "));
  EXPECT_FALSE(DecisionLog::Open("/nowhere/log").ok());
}

}  // namespace
}  // namespace muster::registry::serve
