#include "runtime/server/webhook_worker.h"

#include <gmock/gmock.h>

#include <boost/json/parse.hpp>
#include <condition_variable>
#include <filesystem>
#include <future>

#include "registry/sqlite/model_store.h"
#include "registry/sqlite/webhook_store.h"
#include "runtime/http/server.h"

/// Against a real receiver on loopback that fails, hangs, redirects. Waits are for what must come, never for time.

namespace muster::server {
namespace {

using testing::HasSubstr;
using testing::SizeIs;
using namespace std::chrono_literals;

/// What came to one path, and what is answered there: each answer of the list once, then 200.
class Receiver {
 public:
  Receiver() {
    router_.Add("POST", "/{name}",
                [this](const http::Request& request, const http::Respond& respond) {
                  OnRequest(request, respond);
                });
    server_ = http::Server::Start({.host = "127.0.0.1", .port = 0}, router_).value();
  }
  ~Receiver() { Stop(); }
  void Stop() {
    hanging_.clear();
    server_->Stop();
  }
  std::string Url(std::string_view name) { return server_->url() + "/" + std::string(name); }
  void Answer(const std::string& name, std::vector<http::Response> answers) {
    const std::lock_guard lock(mutex_);
    answers_[name] = std::move(answers);
  }
  /// Waits until `count` requests came to `name`.
  std::vector<http::Request> WaitFor(const std::string& name, std::size_t count) {
    std::unique_lock lock(mutex_);
    EXPECT_TRUE(came_.wait_for(lock, 30s, [&] { return got_[name].size() >= count; })) << name;
    return got_[name];
  }

 private:
  void OnRequest(const http::Request& request, const http::Respond& respond) {
    const std::string name = request.captures.find("name")->second;
    const bool hangs = name == "hang";
    http::Response answer;
    {
      const std::lock_guard lock(mutex_);
      got_[name].push_back(request);
      if (hangs) hanging_.push_back(respond);
      auto& answers = answers_[name];
      if (!answers.empty()) {
        answer = answers.front();
        answers.erase(answers.begin());
      }
    }
    came_.notify_all();
    if (!hangs) respond(std::move(answer));
  }

  std::mutex mutex_;  // guards all below but the server
  std::condition_variable came_;
  std::map<std::string, std::vector<http::Request>> got_;
  std::map<std::string, std::vector<http::Response>> answers_;
  std::vector<http::Respond> hanging_;
  http::Router router_;
  std::unique_ptr<http::Server> server_;
};

class WebhookWorkerTest : public testing::Test {
 protected:
  WebhookWorkerTest() {
    std::filesystem::create_directories(folder_);
    models_ = registry::SqliteModelStore::Open(folder_ / "registry.db", SystemClock()).value();
    store_ = registry::SqliteWebhookStore::Open(folder_ / "registry.db", SystemClock()).value();
  }
  ~WebhookWorkerTest() override {
    worker_.reset();
    std::filesystem::remove_all(folder_);
  }
  void Start(std::chrono::milliseconds timeout = 30s) {
    worker_ = std::make_unique<WebhookWorker>(WebhookWorker::Parts{
        *models_, *store_, SystemClock(), {.schemes = {"http"}, .allow = allow_}, timeout});
  }
  registry::Webhook Add(std::string_view name, std::string_view kind = "registered_model.created") {
    registry::Webhook webhook;
    webhook.name = name;
    webhook.url = receiver_.Url(name);
    webhook.secret = "s";
    webhook.events = {std::string(kind)};
    return store_->Create(webhook).value();
  }
  void MakeModel(std::string_view name) {
    ASSERT_TRUE(models_->CreateModel(name, "", {}, {}).ok());
  }
  Result<registry::WebhookTestResult> Test(const std::string& id, std::string kind = "") {
    std::promise<Result<registry::WebhookTestResult>> told;
    worker_->Test(id, std::move(kind), [&](auto result) { told.set_value(std::move(result)); });
    return told.get_future().get();
  }
  static std::string ModelOf(const http::Request& request) {
    return std::string(boost::json::parse(request.body).at("data").at("name").as_string());
  }

  std::filesystem::path folder_ =
      std::filesystem::temp_directory_path() / ("muster-worker-" + RandomHex(8));
  Receiver receiver_;
  std::function<bool(std::string_view)> allow_;
  std::unique_ptr<registry::SqliteModelStore> models_;
  std::unique_ptr<registry::SqliteWebhookStore> store_;
  std::unique_ptr<WebhookWorker> worker_;
};

TEST_F(WebhookWorkerTest, AnEvent_IsToldSigned) {
  const auto webhook = Add("a");
  Add("deaf", "prompt.created");
  Start();
  MakeModel("digits");
  const auto got = receiver_.WaitFor("a", 1);
  const auto body = boost::json::parse(got[0].body);
  EXPECT_EQ(body.at("entity"), "registered_model");
  EXPECT_EQ(body.at("action"), "created");
  EXPECT_EQ(body.at("data"),
            boost::json::parse(R"({"name": "digits", "tags": {}, "description": ""})"));
  EXPECT_EQ(got[0].Header("X-MLflow-Signature"),
            registry::WebhookSignature("s", got[0].Header("X-MLflow-Delivery-Id"),
                                       got[0].Header("X-MLflow-Timestamp"), got[0].body));
  EXPECT_EQ(got[0].Header("Content-Type"), "application/json");
  EXPECT_TRUE(receiver_.WaitFor("deaf", 0).empty());
}

TEST_F(WebhookWorkerTest, WhatHappenedBeforeAStart_IsToldAfterIt) {
  Add("a");
  MakeModel("digits");
  Start();
  EXPECT_EQ(ModelOf(receiver_.WaitFor("a", 1)[0]), "digits");
}

TEST_F(WebhookWorkerTest, AReceiverThatFails_IsAskedAgain_InOrder) {
  Add("a");
  receiver_.Answer("a", {http::Response{.status = 500}, http::Response{.status = 200}});
  MakeModel("first");
  MakeModel("second");
  Start();
  const auto got = receiver_.WaitFor("a", 3);
  EXPECT_EQ(ModelOf(got[0]), "first");
  EXPECT_EQ(ModelOf(got[1]), "first");
  EXPECT_EQ(ModelOf(got[2]), "second");
  EXPECT_EQ(got[0].Header("X-MLflow-Delivery-Id"), got[1].Header("X-MLflow-Delivery-Id"));
  EXPECT_NE(got[1].Header("X-MLflow-Delivery-Id"), got[2].Header("X-MLflow-Delivery-Id"));
}

TEST_F(WebhookWorkerTest, ARefusal_IsNotAskedAgain) {
  Add("a");
  receiver_.Answer("a", {http::Response{.status = 410}});
  MakeModel("first");
  MakeModel("second");
  Start();
  const auto got = receiver_.WaitFor("a", 2);
  EXPECT_EQ(ModelOf(got[1]), "second");
}

TEST_F(WebhookWorkerTest, OneThatHangs_HoldsUpNobodyElse) {
  Add("hang");
  Add("b");
  MakeModel("first");
  MakeModel("second");
  Start();
  receiver_.WaitFor("hang", 1);
  EXPECT_THAT(receiver_.WaitFor("b", 2), SizeIs(2));
}

TEST_F(WebhookWorkerTest, OneThatHangs_IsAskedAgainAfterTheTimeout) {
  Add("hang");
  MakeModel("first");
  Start(50ms);
  const auto got = receiver_.WaitFor("hang", 2);
  EXPECT_EQ(got[0].Header("X-MLflow-Delivery-Id"), got[1].Header("X-MLflow-Delivery-Id"));
}

TEST_F(WebhookWorkerTest, ARedirect_IsFollowed) {
  Add("a");
  http::Response away{.status = 307};
  away.headers["Location"] = receiver_.Url("b");
  receiver_.Answer("a", {away});
  Start();
  MakeModel("digits");
  EXPECT_EQ(ModelOf(receiver_.WaitFor("b", 1)[0]), "digits");
}

TEST_F(WebhookWorkerTest, StoppedWhileAReceiverHangs_TheNextWorkerTellsItAgain) {
  const auto webhook = Add("hang");
  MakeModel("digits");
  Start();
  const auto before = receiver_.WaitFor("hang", 1);
  worker_.reset();
  Start();
  const auto after = receiver_.WaitFor("hang", 2);
  EXPECT_EQ(before[0].Header("X-MLflow-Delivery-Id"), after[1].Header("X-MLflow-Delivery-Id"));
}

TEST_F(WebhookWorkerTest, AnAddressThatIsNotPublic_IsNotAsked) {
  allow_ = [](std::string_view) { return false; };
  const auto webhook = Add("a");
  Start();
  const auto result = Test(webhook.id).value();
  EXPECT_FALSE(result.success);
  EXPECT_THAT(result.error_message, HasSubstr("127.0.0.1 is not a public IP address"));
}

TEST_F(WebhookWorkerTest, ATest_SendsTheExampleOfItsFirstEvent_OrOfTheOneAsked) {
  const auto webhook = Add("a");
  http::Response teapot = http::Response::Text("no", 418);
  receiver_.Answer("a", {http::Response::Text("yes"), teapot});
  Start();
  const auto first = Test(webhook.id).value();
  EXPECT_TRUE(first.success);
  EXPECT_EQ(first.response_status, 200);
  EXPECT_EQ(first.response_body, "yes");
  const auto second = Test(webhook.id, "prompt_tag.set").value();
  EXPECT_FALSE(second.success);
  EXPECT_EQ(second.response_status, 418);
  EXPECT_EQ(second.response_body, "no");
  const auto got = receiver_.WaitFor("a", 2);
  EXPECT_EQ(boost::json::parse(got[0].body).at("data"),
            boost::json::parse(registry::ExamplePayload("registered_model.created")));
  EXPECT_EQ(boost::json::parse(got[1].body).at("entity"), "prompt_tag");
  EXPECT_EQ(Test("nope").error().kind, ErrorKind::kNotFound);
}

}  // namespace
}  // namespace muster::server
