#include "runtime/server/sweep_routes.h"
#include "tests/runtime/server/small_spec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>

#include "registry/memory_model_store.h"
#include "registry/sqlite/trigger_store.h"
#include "runtime/base/file.h"
#include "runtime/base/random.h"
#include "runtime/wire/codec.h"

namespace muster::server {
namespace {

/// The routes over a coordinator that has no node.
class SweepRoutesTest : public testing::Test {
 protected:
  SweepRoutesTest() {
    std::filesystem::create_directories(folder_ / "logs");
    CoordinatorHost::Ports ports;
    ports.send = [](const NodeId&, const wire::Envelope&) {};
    ports.store_metrics = [](const coordinator::StoreMetrics&, const auto& done) { done(Ok()); };
    ports.run_command = [](const coordinator::RunCommand&, const auto& done) {
      done(boost::json::object());
    };
    host_ = CoordinatorHost::Start(coordinator::Config::Default(),
                                   std::make_unique<coordinator::MemoryJournal>(), folder_ / "logs",
                                   std::move(ports))
                .value();
    late_.Set(host_.get());
    store_ = registry::SqliteTriggerStore::Open(folder_ / "registry.db").value();
    triggers_ = std::make_unique<registry::TriggerService>(
        registry::TriggerParts{.store = *store_,
                               .models = models_,
                               .submit = [](const SweepId&, const std::string&) { return Ok(); },
                               .find = {}});
    AddSweepRoutes(router_, late_, *triggers_, folder_);
  }
  ~SweepRoutesTest() override {
    host_.reset();
    std::filesystem::remove_all(folder_);
  }

  http::Response Ask(const std::string& method, const std::string& target, std::string body = {}) {
    http::Request request;
    request.method = method;
    request.body = std::move(body);
    http::SetTarget(request, "/api/muster/v1/" + target);
    std::promise<http::Response> answer;
    router_.Dispatch(std::move(request), [&](http::Response r) { answer.set_value(std::move(r)); });
    return answer.get_future().get();
  }
  http::Response Submit(const wire::SweepSpec& spec) {
    return Ask("POST", "sweeps",
               wire::SerializeJson(boost::json::object{{"id", "s"}, {"spec", wire::ToJson(spec)}}));
  }

  std::filesystem::path folder_ =
      std::filesystem::temp_directory_path() / ("muster-routes-" + RandomHex(8));
  std::unique_ptr<CoordinatorHost> host_;
  LateHost late_;
  registry::MemoryModelStore models_{SystemClock()};
  std::unique_ptr<registry::SqliteTriggerStore> store_;
  std::unique_ptr<registry::TriggerService> triggers_;
  http::Router router_;
};

TEST_F(SweepRoutesTest, Retrain_OnlyAnAcceptedSweepBecomesATrigger) {
  ASSERT_EQ(Submit(SmallSpec()).status, 200);
  wire::SweepSpec another = SmallSpec();
  another.retrain.emplace().cron = "0 3 * * *";
  EXPECT_EQ(Submit(another).status, 409) << "the id is another sweep's";
  EXPECT_TRUE(store_->List()->empty());
  another.name = "other";
  another.retrain->cron = "never";
  const auto refused =
      Ask("POST", "sweeps",
          wire::SerializeJson(boost::json::object{{"id", ""}, {"spec", wire::ToJson(another)}}));
  EXPECT_EQ(refused.status, 400);
  EXPECT_THAT(refused.body, testing::HasSubstr("at retrain.cron"));
  another.retrain->cron = "0 3 * * *";
  const auto accepted =
      Ask("POST", "sweeps",
          wire::SerializeJson(boost::json::object{{"id", ""}, {"spec", wire::ToJson(another)}}));
  EXPECT_EQ(accepted.status, 200) << accepted.body;
  ASSERT_EQ(store_->List()->size(), 1U);
  EXPECT_EQ(store_->List()->at(0).name, "other");
}

TEST_F(SweepRoutesTest, NodeVerbs_TakeItOutOfWorkAndBack) {
  EXPECT_EQ(Ask("POST", "nodes/a/cordon").status, 404);
  wire::Envelope hello;
  hello.message =
      wire::Hello{.node = NodeId("a"), .host = "a.example", .slots = 2, .incarnation = 1};
  host_->OnMessage(NodeId("a"), hello);
  const auto shown = [&] { return Ask("GET", "nodes").body; };
  EXPECT_EQ(Ask("POST", "nodes/a/drain", R"({"reason": "new kernel"})").status, 200);
  EXPECT_THAT(shown(), testing::HasSubstr(R"("state":"drained")"));
  EXPECT_THAT(shown(), testing::HasSubstr(R"("reason":"new kernel")"));
  EXPECT_EQ(Ask("POST", "nodes/a/exclude").status, 200) << "a body is not needed";
  EXPECT_THAT(shown(), testing::HasSubstr(R"("state":"excluded")"));
  EXPECT_EQ(Ask("POST", "nodes/a/uncordon").status, 200);
  EXPECT_THAT(shown(), testing::HasSubstr(R"("state":"up")"));
  EXPECT_EQ(Ask("POST", "nodes/a/cordon", R"({"raeson": "x"})").status, 400);
  EXPECT_EQ(
      Ask("POST", "nodes/a/cordon", R"({"reason": ")" + std::string(1001, 'x') + R"("})").status,
      400);
  EXPECT_EQ(Ask("POST", "nodes/a/destroy").status, 404);
  EXPECT_THAT(shown(), testing::HasSubstr(R"("state":"up")"));
}

TEST_F(SweepRoutesTest, Logs_OfNoTrialAreNoWayOutOfTheirFolder) {
  std::filesystem::create_directories(folder_ / "x" / "0");
  ASSERT_TRUE(WriteFileAtomically(folder_ / "x" / "0" / "1.0.out", "secret").ok());
  ASSERT_EQ(*ReadWholeFile(host_->LogFile(TrialId("../x/0"), AttemptEpoch(1), "0.out")), "secret");
  EXPECT_EQ(Ask("GET", "sweeps/..%2Fx/trials/0/logs?epoch=1").status, 404);
}

}  // namespace
}  // namespace muster::server
