#include "registry/sqlite/webhook_store.h"
#include "tests/tracker/mlflow/routes_fixture.h"

/// Answers are what MLflow 3.18's own server gave to the same requests, ids and times apart.

namespace muster::tracker {
namespace {

using registry::WebhookTestResult;

constexpr std::string_view kUrl = "https://8.8.8.8/hook";

class WebhookRoutesTest : public RoutesTest {
 protected:
  WebhookRoutesTest() {
    store_ = registry::SqliteWebhookStore::Open(":memory:", clock_).value();
    MlflowOptions options;
    options.webhooks.store = store_.get();
    options.webhooks.policy.resolve = [](const std::string& host) {
      return Result<std::vector<std::string>>(std::vector<std::string>{host});
    };
    options.webhooks.test = [this](std::string id, std::string kind, auto done) {
      tested_ = id + " " + kind;
      done(result_);
    };
    router_ = http::Router();
    AddMlflowRoutes(router_, runs_, *artifacts_, models_, std::move(options));
  }

  static std::string Body(std::string_view rest, std::string_view events = R"([{"entity":
      "REGISTERED_MODEL", "action": "CREATED"}])") {
    return R"({"name": "w", "url": ")" + std::string(kUrl) + R"(", "events": )" +
           std::string(events) + std::string(rest) + "}";
  }
  std::string Create(std::string_view rest = "") {
    const auto answer = Send("POST", "/api/2.0/mlflow/webhooks", Body(rest));
    EXPECT_EQ(answer.status, 200) << answer.body;
    const auto json = boost::json::parse(answer.body);
    return std::string(json.at("webhook").at("webhook_id").as_string());
  }
  void ExpectRefused(std::string method, std::string_view path, std::string body, int status,
                     std::string_view message) {
    const auto answer = Send(std::move(method), "/api/2.0/mlflow" + std::string(path), body);
    EXPECT_EQ(answer.status, status) << body << ": " << answer.body;
    EXPECT_EQ(boost::json::parse(answer.body).at("message").as_string(), message) << body;
  }

  std::unique_ptr<registry::SqliteWebhookStore> store_;
  Result<WebhookTestResult> result_{WebhookTestResult{}};
  std::string tested_;
};

TEST_F(WebhookRoutesTest, Created_IsAnsweredWithoutItsSecret) {
  const std::string id = Create(R"(, "secret": "s", "description": "d", "status": "DISABLED")");
  const std::string wanted = R"({"webhook": {"webhook_id": ")" + id + R"(", "name": "w",
      "description": "d", "url": "https://8.8.8.8/hook", "events": [{"entity":
      "REGISTERED_MODEL", "action": "CREATED"}], "status": "DISABLED", "creation_timestamp":
      1700000000000, "last_updated_timestamp": 1700000000000}})";
  Expect("GET", "/webhooks/" + id, "", 200, wanted);
  EXPECT_EQ(store_->Get(id)->secret, "s");
}

TEST_F(WebhookRoutesTest, Events_AreSortedAndMayBeNumbers) {
  const auto answer =
      Send("POST", "/api/2.0/mlflow/webhooks", Body("", R"([{"entity": "PROMPT_TAG", "action": 4},
      {"entity": 4, "action": "DELETED"}, {"entity": "MODEL_VERSION", "action": "CREATED"}])"));
  const auto webhook = boost::json::parse(answer.body).at("webhook");
  EXPECT_EQ(webhook.at("events"),
            boost::json::parse(R"([{"entity": "MODEL_VERSION", "action": "CREATED"},
      {"entity": "MODEL_VERSION_ALIAS", "action": "DELETED"},
      {"entity": "PROMPT_TAG", "action": "SET"}])"));
  EXPECT_EQ(webhook.at("status"), "ACTIVE");
}

TEST_F(WebhookRoutesTest, WrongRequests_AreRefusedInMlflowsWords) {
  const auto missing = [](std::string name) {
    return "Missing value for required parameter '" + name +
           "'. See the API docs for more information about request parameters.";
  };
  ExpectRefused("POST", "/webhooks", "{}", 400, missing("name"));
  ExpectRefused("POST", "/webhooks", R"({"name": "w"})", 400, missing("url"));
  ExpectRefused("POST", "/webhooks", R"({"name": "w", "url": "https://8.8.8.8"})", 400,
                missing("events"));
  ExpectRefused("POST", "/webhooks", Body("", "[]"), 400,
                "Webhook events must be a non-empty list of WebhookEvent objects: [].");
  ExpectRefused("POST", "/webhooks", Body("", R"("x")"), 400,
                "Invalid value \"x\" for parameter 'events' supplied:  Hint: Value was of type "
                "'str'. See the API docs for more information about request parameters.");
  ExpectRefused("POST", "/webhooks", Body("", R"([{"entity": "PROMPT", "action": "SET"}])"), 400,
                "Invalid action 'set' for entity 'prompt'. Valid actions are: ['created']");
  ExpectRefused("POST", "/webhooks", Body(R"(, "status": 7)"), 400,
                "Invalid value 7 for parameter 'status' supplied:  Hint: Value was of type 'int'. "
                "See the API docs for more information about request parameters.");
  ExpectRefused("POST", "/webhooks",
                R"({"name": "w", "url": "https://127.0.0.1/", "events": [{"entity": "PROMPT",
                "action": "CREATED"}]})",
                400,
                "Webhook URL must not resolve to a non-public IP address. '127.0.0.1' resolves to "
                "127.0.0.1.");
  EXPECT_EQ(Send("POST", "/api/2.0/mlflow/webhooks", Body("", R"([{"entity": "NOPE",
      "action": "CREATED"}])"))
                .status,
            400)
      << "500 there";
  EXPECT_EQ(Send("GET", "/api/2.0/mlflow/webhooks").body, "{}") << "nothing was made";
}

TEST_F(WebhookRoutesTest, AStatusThatNobodyKnows_IsPassedOver) {
  const std::string id = Create(R"(, "status": "NOPE")");
  EXPECT_TRUE(store_->Get(id)->active);
  ASSERT_EQ(Send("PATCH", "/api/2.0/mlflow/webhooks/" + id, R"({"status": 2})").status, 200);
  ASSERT_EQ(Send("PATCH", "/api/2.0/mlflow/webhooks/" + id, R"({"status": "NOPE"})").status, 200);
  EXPECT_FALSE(store_->Get(id)->active);
}

TEST_F(WebhookRoutesTest, Patch_ChangesWhatIsThereAndNotEmpty) {
  const std::string id = Create(R"(, "description": "d", "secret": "s")");
  const std::string path = "/api/2.0/mlflow/webhooks/" + id;
  ASSERT_EQ(
      Send("PATCH", path, R"({"name": "", "url": "", "events": [], "description": ""})").status,
      200);
  auto webhook = store_->Get(id).value();
  EXPECT_EQ(webhook.name, "w");
  EXPECT_EQ(webhook.url, kUrl);
  EXPECT_EQ(webhook.description, "");
  EXPECT_EQ(webhook.secret, "s");
  ASSERT_EQ(Send("PATCH", path, R"({"name": "n", "secret": "z", "events": [{"entity": "PROMPT",
      "action": "CREATED"}]})")
                .status,
            200);
  webhook = store_->Get(id).value();
  EXPECT_EQ(webhook.name, "n");
  EXPECT_EQ(webhook.secret, "z");
  EXPECT_THAT(webhook.events, testing::ElementsAre("prompt.created"));
  ExpectRefused("PATCH", "/webhooks/" + id, R"({"url": "http://x"})", 400,
                "Invalid webhook URL scheme: 'http'. Allowed schemes are: https.");
}

TEST_F(WebhookRoutesTest, AWebhookThatIsNotThere_Is404BeforeAnythingIsChecked) {
  const std::string_view text = "Webhook with ID nope not found.";
  ExpectRefused("GET", "/webhooks/nope", "", 404, text);
  ExpectRefused("PATCH", "/webhooks/nope", R"({"name": "bad name"})", 404, text);
  ExpectRefused("DELETE", "/webhooks/nope", "", 404, text);
  const std::string id = Create();
  Expect("DELETE", "/webhooks/" + id, "{}", 200, "{}");
  ExpectRefused("DELETE", "/webhooks/" + id, "", 404, "Webhook with ID " + id + " not found.");
}

TEST_F(WebhookRoutesTest, List_Pages) {
  for (int i = 0; i < 3; ++i) Create();
  const auto page = boost::json::parse(Send("GET", "/api/2.0/mlflow/webhooks?max_results=2").body);
  EXPECT_EQ(page.at("webhooks").as_array().size(), 2U);
  const std::string token(page.at("next_page_token").as_string());
  const auto rest = boost::json::parse(
      Send("GET", "/api/2.0/mlflow/webhooks?max_results=2&page_token=" + token).body);
  EXPECT_EQ(rest.at("webhooks").as_array().size(), 1U);
  EXPECT_FALSE(rest.as_object().contains("next_page_token"));
  for (const char* most : {"-1", "1001"}) {
    ExpectRefused("GET", "/webhooks?max_results=" + std::string(most), "", 400,
                  "max_results must be between 1 and 1000.");
  }
  EXPECT_EQ(Send("GET", "/api/2.0/mlflow/webhooks?max_results=0").status, 200) << "100";
}

TEST_F(WebhookRoutesTest, Test_TellsWhatTheReceiverSaid) {
  result_ = WebhookTestResult{.success = false, .response_status = 500, .response_body = ""};
  Expect("POST", "/webhooks/x/test", "{}", 200,
         R"({"result": {"success": false, "response_status": 500, "response_body": ""}})");
  EXPECT_EQ(tested_, "x ");
  result_ = WebhookTestResult{.error_message = "Failed to test webhook: away"};
  Expect("POST", "/webhooks/x/test", R"({"event": {"entity": "PROMPT_TAG", "action": "SET"}})", 200,
         R"({"result": {"success": false, "error_message": "Failed to test webhook: away"}})");
  EXPECT_EQ(tested_, "x prompt_tag.set");
  ExpectRefused("POST", "/webhooks/x/test", R"({"event": {"entity": "PROMPT", "action": "SET"}})",
                400, "Invalid action 'set' for entity 'prompt'. Valid actions are: ['created']");
}

TEST_F(RoutesTest, WithoutAStoreOfWebhooks_ThereAreNoRoutes) {
  EXPECT_EQ(Send("GET", "/api/2.0/mlflow/webhooks").status, 404);
}

}  // namespace
}  // namespace muster::tracker
