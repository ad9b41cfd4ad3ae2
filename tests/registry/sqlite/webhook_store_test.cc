#include "registry/sqlite/webhook_store.h"

#include <gmock/gmock.h>

#include <filesystem>

#include "runtime/base/clock.h"
#include "runtime/base/random.h"

namespace muster::registry {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

class WebhookStoreTest : public testing::Test {
 protected:
  WebhookStoreTest() {
    std::filesystem::create_directories(folder_);
    Reopen();
  }
  ~WebhookStoreTest() override {
    store_.reset();
    std::filesystem::remove_all(folder_);
  }
  void Reopen() {
    store_.reset();
    store_ = SqliteWebhookStore::Open(folder_ / "registry.db", clock_).value();
  }
  Webhook Add(std::vector<std::string> events, std::string name = "hook") {
    Webhook webhook;
    webhook.name = std::move(name);
    webhook.url = "https://x/";
    webhook.secret = "s";
    webhook.events = std::move(events);
    return store_->Create(webhook).value();
  }
  static Notice ANotice(std::string source, std::string kind = "prompt.created") {
    return {std::move(source), std::move(kind), R"({"a":1})", 7};
  }
  std::vector<std::string> HeadKinds() {
    std::vector<std::string> kinds;
    const auto heads = store_->Heads().value();
    for (const Delivery& head : heads) kinds.push_back(head.kind);
    return kinds;
  }

  FakeClock clock_;
  std::filesystem::path folder_ =
      std::filesystem::temp_directory_path() / ("muster-webhooks-" + RandomHex(8));
  std::unique_ptr<SqliteWebhookStore> store_;
};

TEST_F(WebhookStoreTest, Created_IsReadAgainAfterAReopen) {
  const Webhook made = Add({"prompt.created", "model_version.created"});
  Reopen();
  const Webhook read = store_->Get(made.id).value();
  EXPECT_EQ(read.name, "hook");
  EXPECT_EQ(read.secret, "s");
  EXPECT_TRUE(read.active);
  EXPECT_THAT(read.events, ElementsAre("model_version.created", "prompt.created")) << "sorted";
  EXPECT_EQ(read.creation_ms, clock_.UnixNow());
  EXPECT_EQ(store_->Get("nope").error().message, "Webhook with ID nope not found.");
}

TEST_F(WebhookStoreTest, List_IsNewestFirst) {
  for (const char* name : {"a", "b", "c"}) Add({"prompt.created"}, name);
  const auto page = store_->List(1, 2).value();
  ASSERT_THAT(page, SizeIs(2));
  EXPECT_EQ(page[0].name, "b");
  EXPECT_EQ(page[1].name, "a");
}

TEST_F(WebhookStoreTest, Update_ChangesWhatItNames) {
  const Webhook made = Add({"prompt.created"});
  clock_.Advance(std::chrono::seconds(1));
  WebhookUpdate update;
  update.url = "https://y/";
  update.format = "cloudevents-binary";
  const Webhook updated = store_->Update(made.id, update).value();
  EXPECT_EQ(updated.url, "https://y/");
  EXPECT_EQ(made.format, "mlflow");
  EXPECT_EQ(updated.format, "cloudevents-binary");
  ASSERT_TRUE(store_->Enqueue(ANotice("event/1")).ok());
  EXPECT_EQ(store_->Heads()->at(0).format, "cloudevents-binary");
  EXPECT_EQ(updated.name, "hook");
  EXPECT_EQ(updated.secret, "s");
  EXPECT_EQ(updated.creation_ms, made.creation_ms);
  EXPECT_EQ(updated.last_updated_ms, made.creation_ms + 1000);
  EXPECT_EQ(store_->Update("nope", {}).error().kind, ErrorKind::kNotFound);
}

TEST_F(WebhookStoreTest, Notices_GoToWhoAsksForTheirKind_InOrder) {
  const Webhook prompts = Add({"prompt.created"});
  Add({"model_version.created"});
  const Webhook both = Add({"model_version.created", "prompt.created"});
  EXPECT_EQ(*store_->Enqueue(ANotice("event/1")), 0);
  EXPECT_EQ(*store_->Enqueue(ANotice("event/2")), 0);
  const auto heads = store_->Heads().value();
  ASSERT_THAT(heads, SizeIs(2));
  EXPECT_EQ(heads[0].webhook_id, prompts.id);
  EXPECT_EQ(heads[1].webhook_id, both.id);
  EXPECT_EQ(heads[0].payload_json, R"({"a":1})");
  EXPECT_EQ(heads[0].secret, "s");
  EXPECT_EQ(heads[0].url, "https://x/");
  EXPECT_NE(heads[0].id, heads[1].id);
  ASSERT_TRUE(store_->Remove(heads[0].sequence).ok());
  const auto next = store_->Heads().value();
  ASSERT_THAT(next, SizeIs(2)) << "its second, and the other's first";
  EXPECT_EQ(next[0].sequence, heads[1].sequence);
  EXPECT_GT(next[1].sequence, heads[0].sequence);
}

TEST_F(WebhookStoreTest, ANoticeAgain_IsToldOnce) {
  Add({"prompt.created"});
  ASSERT_TRUE(store_->Enqueue(ANotice("event/1")).ok());
  EXPECT_EQ(*store_->Enqueue(ANotice("event/1")), 0) << "not dropped: it waits";
  ASSERT_TRUE(store_->Remove(store_->Heads()->at(0).sequence).ok());
  EXPECT_THAT(*store_->Heads(), IsEmpty());
}

TEST_F(WebhookStoreTest, Retry_IsKeptOverARestart) {
  Add({"prompt.created"});
  ASSERT_TRUE(store_->Enqueue(ANotice("event/1")).ok());
  const Delivery before = store_->Heads()->at(0);
  ASSERT_TRUE(store_->Retry(before.sequence, 3, 99).ok());
  Reopen();
  const Delivery after = store_->Heads()->at(0);
  EXPECT_EQ(after.tries, 3);
  EXPECT_EQ(after.next_ms, 99);
  EXPECT_EQ(after.id, before.id) << "a receiver knows it again";
}

TEST_F(WebhookStoreTest, DisabledOrDeleted_HearsNothing) {
  const Webhook disabled = Add({"prompt.created"});
  const Webhook deleted = Add({"prompt.created"});
  ASSERT_TRUE(store_->Enqueue(ANotice("event/1")).ok());
  WebhookUpdate off;
  off.active = false;
  ASSERT_TRUE(store_->Update(disabled.id, off).ok());
  ASSERT_TRUE(store_->Delete(deleted.id).ok());
  EXPECT_EQ(store_->Delete(deleted.id).error().kind, ErrorKind::kNotFound);
  ASSERT_TRUE(store_->Enqueue(ANotice("event/2")).ok());
  EXPECT_THAT(HeadKinds(), IsEmpty());
}

TEST_F(WebhookStoreTest, ForOne_AsksForNoKind) {
  const Webhook one = Add({"prompt.created"});
  Add({"prompt.created"});
  ASSERT_TRUE(store_->EnqueueFor(one.id, ANotice("rule/1", "rule.fired")).ok());
  EXPECT_THAT(HeadKinds(), ElementsAre("rule.fired"));
  EXPECT_EQ(store_->EnqueueFor("nope", ANotice("rule/1")).error().kind, ErrorKind::kNotFound);
}

TEST_F(WebhookStoreTest, BeyondTheBound_NoticesAreDroppedAndCounted) {
  const Webhook one = Add({"prompt.created"});
  auto database = sqlite::Database::Open(folder_ / "registry.db").value();
  ASSERT_TRUE(database
                  .Execute("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i "
                           "< 10000) INSERT INTO deliveries (webhook, source, id, kind, time_ms, "
                           "payload) SELECT 1, 'old/' || i, i, 'prompt.created', 0, '{}' FROM n")
                  .ok());
  EXPECT_EQ(*store_->Enqueue(ANotice("event/1")), 1);
  EXPECT_EQ(store_->EnqueueFor(one.id, ANotice("rule/1")).error().kind, ErrorKind::kResource);
  EXPECT_TRUE(store_->EnqueueFor(one.id, ANotice("old/5")).ok()) << "that one waits";
}

}  // namespace
}  // namespace muster::registry
