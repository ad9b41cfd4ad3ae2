#include "registry/api/routes.h"

#include <gmock/gmock.h>

#include "registry/memory_model_store.h"
#include "registry/sqlite/trigger_store.h"
#include "runtime/wire/codec.h"

namespace muster::registry {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

class RegistryRoutes : public testing::Test {
 protected:
  void SetUp() override {
    AddRegistryRoutes(router_, {store_, *triggers_, service_, clock_});
    ASSERT_TRUE(store_.CreateModel("digits", "ten", {{"team", "a"}}, {"ada", ""}).ok());
    for (int i = 0; i < 2; ++i) {
      ASSERT_TRUE(store_.CreateVersion({.name = "digits", .run_id = "r"}, {"ada", ""}).ok());
    }
    ASSERT_TRUE(
        store_.RecordGates("digits", 1, {{"parity", true, 1e-7, 1e-5, "fine"}}, {"ada", ""}).ok());
  }

  http::Response Call(std::string method, std::string target, std::string body = "") {
    http::Request request;
    request.method = std::move(method);
    http::SetTarget(request, "/api/muster/v1/" + target);
    request.body = std::move(body);
    http::Response answer;
    router_.Dispatch(std::move(request), [&](http::Response response) { answer = response; });
    return answer;
  }
  boost::json::object Ok200(std::string method, std::string target, std::string body = "") {
    const auto response = Call(std::move(method), target, std::move(body));
    EXPECT_EQ(response.status, 200) << target << ": " << response.body;
    const auto json = wire::ParseJson(response.body);
    EXPECT_TRUE(json.ok()) << response.body;
    return json.ok() && json->is_object() ? json->get_object() : boost::json::object{};
  }
  void Refused(int status, std::string text, std::string method, std::string target,
               std::string body = "") {
    const auto response = Call(std::move(method), target, std::move(body));
    EXPECT_EQ(response.status, status) << response.body;
    EXPECT_THAT(response.body, HasSubstr(text));
  }

  FakeClock clock_;
  MemoryModelStore store_{clock_};
  std::unique_ptr<TriggerStore> triggers_ = *SqliteTriggerStore::Open(":memory:");
  std::vector<std::string> submitted_;
  TriggerService service_{{.store = *triggers_,
                           .models = store_,
                           .submit =
                               [this](const SweepId& sweep, const std::string&) {
                                 submitted_.push_back(sweep.value);
                                 return Ok();
                               },
                           .find = {}}};
  http::Router router_;
};

TEST_F(RegistryRoutes, Lineage_IsToldUpAndDown) {
  ASSERT_TRUE(
      store_
          .CreateVersion({.name = "digits",
                          .tags = {{"muster.sweep", "s"}, {"muster.lineage", "s/promotion"}}},
                         {"ada", ""})
          .ok());
  ASSERT_TRUE(store_
                  .AppendAudit("version.lineage", "digits", 3, R"({"sweep":"s"})", {"ada", ""},
                               "s/promotion/lineage")
                  .ok());
  const auto up = Ok200("GET", "models/digits/versions/3/lineage");
  EXPECT_EQ(up.at("lineage"), boost::json::value({{"sweep", "s"}}));
  const auto down = Ok200("GET", "lineage?sweep=s").at("versions").as_array();
  ASSERT_EQ(down.size(), 1U);
  EXPECT_EQ(down[0].at("version"), 3);
  Refused(404, "no promotion of a sweep made it", "GET", "models/digits/versions/1/lineage");
  Refused(400, "exactly one of data, commit and sweep", "GET", "lineage");
}

TEST_F(RegistryRoutes, Models_AreListedAndShown) {
  ASSERT_TRUE(store_.SetAlias("digits", "champion", 1, {}).ok());
  const auto list = Ok200("GET", "models");
  EXPECT_EQ(wire::SerializeJson(list.at("models").at(0).at("aliases")), R"({"champion":1})");
  EXPECT_EQ(list.at("models").at(0).at("latest_version").as_int64(), 2);
  const auto shown = Ok200("GET", "models/digits");
  EXPECT_EQ(shown.at("versions").as_array().size(), 2u);
  EXPECT_EQ(shown.at("versions").at(0).at("version").as_int64(), 2);
  EXPECT_EQ(shown.at("tags").at("team").as_string(), "a");
  const auto version = Ok200("GET", "models/digits/versions/1");
  EXPECT_EQ(version.at("gates").at(0).at("gate").as_string(), "parity");
  EXPECT_EQ(Ok200("GET", "models/digits/versions/champion").at("version").as_int64(), 1);
  Refused(404, "Registered Model with name=x not found", "GET", "models/x");
  Refused(404, "version=7", "GET", "models/digits/versions/7");
  Refused(400, "max_results", "GET", "models?max_results=0");
  Refused(400, "source", "GET", "models?filter=source%20%3D%20'x'");
}

TEST_F(RegistryRoutes, PromoteAndRollback_MoveTheAlias) {
  const auto first = Ok200("POST", "models/digits/promote", R"({"version":1,"reason":"good"})");
  EXPECT_EQ(first.at("version").as_int64(), 1);
  EXPECT_EQ(first.at("previous").as_int64(), 0);
  Refused(409, "points at version 1", "POST", "models/digits/promote",
          R"({"version":2,"expected":0})");
  Ok200("POST", "models/digits/promote", R"({"version":2,"expected":1,"actor":"ada"})");
  const auto back = Ok200("POST", "models/digits/rollback", R"({"reason":"bad"})");
  EXPECT_EQ(back.at("version").as_int64(), 1);
  EXPECT_EQ(back.at("previous").as_int64(), 2);
  Refused(404, "no earlier version", "POST", "models/digits/rollback", "{}");
  Refused(400, "unknown key", "POST", "models/digits/promote", R"({"verison":2})");
  Refused(400, "at version", "POST", "models/digits/promote", "{}");
  Refused(400, "is reserved", "POST", "models/digits/promote", R"({"version":1,"alias":"latest"})");
  const auto history = Ok200("GET", "models/digits/history").at("history").as_array();
  ASSERT_EQ(history.size(), 3u);
  EXPECT_EQ(history[0].at("move").as_string(), "rollback");
  EXPECT_EQ(history[0].at("reason").as_string(), "bad");
  EXPECT_EQ(history[1].at("actor").as_string(), "ada");
  EXPECT_EQ(Ok200("POST", "models/digits/alias", R"({"version":0})").at("version").as_int64(), 0);
}

TEST_F(RegistryRoutes, Audit_IsListedAndVerified) {
  const auto entries = Ok200("GET", "audit?model=digits&after=1&limit=2").at("entries").as_array();
  ASSERT_EQ(entries.size(), 2u);
  EXPECT_EQ(entries[0].at("sequence").as_int64(), 2);
  EXPECT_EQ(entries[0].at("detail").at("run_id").as_string(), "r");
  EXPECT_TRUE(Ok200("GET", "audit/verify").at("ok").as_bool());
  Refused(400, "'limit' is 'x'", "GET", "audit?limit=x");
}

TEST_F(RegistryRoutes, Triggers_LiveAndFire) {
  const auto made = Ok200("POST", "triggers",
                          R"({"name":"nightly","sweep":{"name":"digits"},"cron":"0 3 * * *"})");
  EXPECT_GT(made.at("next_ms").as_int64(), clock_.UnixNow());
  Refused(400, "cron", "POST", "triggers", R"({"name":"a","sweep":{},"cron":"x"})");
  const auto fired = Ok200("POST", "triggers/nightly/fire", R"({"reason":"new data"})");
  EXPECT_EQ(fired.at("state").as_string(), "submitted");
  EXPECT_THAT(submitted_, ElementsAre(std::string(fired.at("sweep").as_string())));
  const auto shown = Ok200("GET", "triggers/nightly");
  EXPECT_EQ(shown.at("firings").at(0).at("why").as_string(), "new data");
  EXPECT_EQ(Ok200("GET", "triggers").at("triggers").as_array().size(), 1u);
  const auto story = Ok200("GET", "firings/" + std::string(fired.at("sweep").as_string()));
  EXPECT_EQ(story.at("steps").as_array().size(), 3U);
  EXPECT_THAT(std::string(story.at("lines").at(0).as_string()),
              HasSubstr("signal: a person asked -> asked for a retraining (new data)"));
  EXPECT_EQ(Ok200("GET", "firings?trigger=nightly").at("firings").as_array().size(), 1U);
  EXPECT_EQ(Ok200("GET", "firings?trigger=other").at("firings").as_array().size(), 0U);
  Refused(404, "no trigger submitted sweep 'x'", "GET", "firings/x");
  Ok200("DELETE", "triggers/nightly");
  Refused(404, "no trigger 'nightly'", "DELETE", "triggers/nightly");
  Refused(404, "no trigger 'nightly'", "POST", "triggers/nightly/fire");
}

TEST_F(RegistryRoutes, Triggers_HearSignalsAndSignedWebhooks) {
  const std::string conditions = R"("signals":[{"kind":"drift","at_least":0.2}],"webhook":{}})";
  const std::string trigger = R"({"name":"t","sweep":{"name":"digits"},)" + conditions;
  const auto made = Ok200("POST", "triggers", trigger);
  const std::string secret(made.at("webhook_secret").as_string());
  EXPECT_EQ(secret.size(), 64U);
  EXPECT_FALSE(Ok200("POST", "triggers", trigger).contains("webhook_secret")) << "it stays";
  EXPECT_THAT(wire::SerializeJson(Ok200("GET", "triggers/t")), Not(HasSubstr(secret)));
  Refused(400, "at guards.cooldwn: unknown key", "POST", "triggers",
          R"({"name":"a","sweep":{},"guards":{"cooldwn":1}})");

  EXPECT_FALSE(
      Ok200("POST", "triggers/t/signal", R"({"kind":"drift","value":0.1})").at("fired").as_bool());
  const auto fired = Ok200("POST", "triggers/t/signal",
                           R"({"kind":"drift","value":0.3,"detail":"age","dedup_key":"w1"})");
  EXPECT_TRUE(fired.at("fired").as_bool());
  EXPECT_EQ(fired.at("firing").at("why").as_string(), "drift 0.3: age");
  Refused(400, "no condition of 'score'", "POST", "triggers/t/signal", R"({"kind":"score"})");

  const auto hook = [&](const std::string& delivery, const std::string& key) {
    http::Request request;
    request.method = "POST";
    http::SetTarget(request, "/api/muster/v1/triggers/t/webhook");
    request.body = R"({"ref":"refs/heads/main"})";
    request.headers = {{"X-GitHub-Event", "push"},
                       {"X-GitHub-Delivery", delivery},
                       {"X-Hub-Signature-256", HubSignature(key, request.body)}};
    int status = 0;
    router_.Dispatch(std::move(request), [&](const http::Response& r) { status = r.status; });
    return status;
  };
  EXPECT_EQ(hook("d-1", "wrong"), 401);
  EXPECT_EQ(hook("d-1", secret), 200);
  EXPECT_EQ(hook("d-1", secret), 409);
  Refused(404, "in canary", "POST", "models/digits/canary", R"({"version":1,"state":"done"})");
}

}  // namespace
}  // namespace muster::registry
