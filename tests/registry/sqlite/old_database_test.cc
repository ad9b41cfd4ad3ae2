#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <sstream>

#include "registry/memory_model_store.h"
#include "registry/sqlite/model_store.h"
#include "registry/sqlite/trigger_store.h"
#include "registry/sqlite/webhook_store.h"
#include "runtime/base/clock.h"

/// tests/golden/registry/v<N>.db: registry.db as muster of that schema version wrote it, every table filled. Files
/// of every version are opened and read for ever. To make that of a new version, run this test with
/// MUSTER_WRITE_GOLDEN=<N>, before anything is released that writes it.

namespace muster::registry {
namespace {

namespace fs = std::filesystem;

const fs::path kFolder = MUSTER_TEST_GOLDEN;
const Actor kAda{"ada", "a reason"};

void Fill(ModelStore& store) {
  ASSERT_TRUE(store.CreateModel("digits", "of digits", {{"team", "vision"}}, kAda).ok());
  for (const char* request : {"first", "second", "third"}) {
    const NewVersion version{.name = "digits",
                             .source = "s3://bucket/model",
                             .run_id = "run-a",
                             .run_link = "http://run",
                             .description = request,
                             .model_id = "m-1",
                             .tags = {{"of", request}},
                             .request_id = request};
    ASSERT_TRUE(store.CreateVersion(version, kAda).ok());
  }
  ASSERT_TRUE(store.DeleteVersion("digits", 3, kAda).ok());
  ASSERT_TRUE(store.TransitionStage("digits", 1, "Production", false, kAda).ok());
  ASSERT_TRUE(store.SetAlias("digits", "steady", 1, kAda).ok());
  ASSERT_TRUE(store.Promote({"digits", "champion", 1, 0, "promoted", false}, kAda).ok());
  ASSERT_TRUE(store
                  .RecordGates("digits", 1,
                               {{"accuracy >= 0.9", true, 0.95, 0.9, "passed"},
                                {"parity", false, std::nan(""), std::nan(""), "none"}},
                               kAda)
                  .ok());
  ASSERT_TRUE(store.AppendAudit("decided", "digits", 1, R"({"kept":true})", kAda, "audit").ok());
}

void FillTriggers(TriggerStore& store) {
  const wire::RetrainSpec when{.cron = "0 3 * * *", .tz = "Europe/Berlin"};
  ASSERT_TRUE(store.Put({"nightly", R"({"name":"digits"})", when, false, 7, "s"}).ok());
  const Firing firing{.trigger = "nightly",
                      .scheduled_unix = 100,
                      .fired_unix = 101,
                      .kind = "manual",
                      .why = "asked",
                      .sweep = SweepId("nightly-1")};
  ASSERT_TRUE(store.Claim(firing, {{101, "signal", "seen", "decided", "why"}}, {"r"}).value());
  ASSERT_TRUE(store.SetDataSeen("nightly", "train", "d").ok());
}

/// Schema version 2 and later have web hooks.
void FillWebhooks(WebhookStore& store) {
  Webhook webhook;
  webhook.name = "hook";
  webhook.url = "https://example.com/";
  webhook.secret = "s";
  webhook.events = {"prompt.created"};
  ASSERT_TRUE(store.Create(webhook).ok());
  ASSERT_TRUE(store.Enqueue({"event/1", "prompt.created", R"({"name":"p"})", 7}).ok());
  ASSERT_TRUE(store.Retry(store.Heads()->at(0).sequence, 2, 9).ok());
}

void ExpectWebhooks(WebhookStore& store) {
  EXPECT_EQ(store.List(0, 10)->at(0).secret, "s");
  const Delivery head = store.Heads()->at(0);
  EXPECT_EQ(head.payload_json, R"({"name":"p"})");
  EXPECT_EQ(head.tries, 2);
}

/// Schema version 4 and later have steps, receipts and the data that was seen.
void ExpectSteps(TriggerStore& store) {
  EXPECT_EQ(store.Get("nightly")->secret, "s");
  EXPECT_EQ(store.Steps(SweepId("nightly-1"))->at(0).decided, "decided");
  EXPECT_EQ(store.DataSeen("nightly")->at("train"), "d");
  const Firing again{.trigger = "nightly", .scheduled_unix = 200, .sweep = SweepId("nightly-2")};
  EXPECT_EQ(store.Claim(again, {}, {"r"}).error().kind, ErrorKind::kAlreadyExists);
}

std::string Describe(ModelStore& store) {
  std::ostringstream text;
  const RegisteredModel model = store.GetModel("digits").value();
  text << model.name << ' ' << model.description << ' ' << model.tags.size() << '\n';
  for (const AliasEntry& entry : model.aliases) text << entry.alias << ' ' << entry.version << '\n';
  const auto versions = store.SearchVersions({}).value();
  for (const ModelVersion& v : versions.items) {
    text << v.version << ' ' << v.creation_ms << ' ' << v.last_updated_ms << ' ' << v.stage << ' '
         << v.description << ' ' << v.source << ' ' << v.run_id << ' ' << v.run_link << ' '
         << v.model_id << ' ' << v.user_id << ' ' << v.tags.at(0).value << '\n';
  }
  const auto history = store.AliasHistory("digits").value();
  for (const AliasChange& c : history) {
    text << c.alias << ' ' << c.version << ' ' << c.previous << ' ' << AliasMoveName(c.move) << ' '
         << c.from_ms << ' ' << c.actor << ' ' << c.reason << '\n';
  }
  const auto gates = store.Gates("digits", 1).value();
  for (const GateVerdict& gate : gates) {
    text << gate.gate << ' ' << gate.passed << ' ' << gate.seen << ' ' << gate.wanted << ' '
         << gate.detail << '\n';
  }
  const auto audit = store.Audit("", 0, 100).value();
  for (const AuditEntry& entry : audit) {
    text << entry.action << ' ' << entry.detail_json << ' ' << entry.hash << '\n';
  }
  const auto events = store.PendingEvents(100).value();
  for (const RegistryEvent& event : events) {
    text << event.kind << ' ' << event.model << ' ' << event.version << event.alias << '\n';
  }
  for (const char* request : {"first", "second"}) {
    text << store.FindVersionByRequest(request)->version << '\n';
  }
  text << store.FindAuditByRequest("audit")->sequence << ' ' << store.VerifyAudit().ok() << '\n';
  return text.str();
}

TEST(OldRegistry, OfEveryVersion_ReadsAsTheDayItWasWritten) {
  const FakeClock clock;
  if (const char* version = std::getenv("MUSTER_WRITE_GOLDEN")) {
    const fs::path file = kFolder / ("v" + std::string(version) + ".db");
    Fill(**SqliteModelStore::Open(file, clock));
    FillTriggers(**SqliteTriggerStore::Open(file));
    FillWebhooks(**SqliteWebhookStore::Open(file, clock));
  }
  MemoryModelStore wanted(clock);
  Fill(wanted);
  std::string pattern = (fs::temp_directory_path() / "muster_golden_XXXXXX").string();
  const fs::path folder = ::mkdtemp(pattern.data());
  int read = 0;
  for (const auto& entry : fs::directory_iterator(kFolder)) {
    const fs::path copy = folder / entry.path().filename();
    fs::copy_file(entry.path(), copy);
    const auto store = SqliteModelStore::Open(copy, clock);
    ASSERT_TRUE(store.ok()) << copy << ": " << store.error().message;
    EXPECT_EQ(Describe(**store), Describe(wanted)) << copy;
    const auto triggers = SqliteTriggerStore::Open(copy).value();
    EXPECT_EQ(triggers->Get("nightly")->when.cron, "0 3 * * *");
    const Firing firing = triggers->FindBySweep(SweepId("nightly-1")).value();
    EXPECT_EQ(firing.why, "asked");
    EXPECT_EQ(firing.kind, "manual");
    EXPECT_EQ(triggers->Open()->size(), 1U);
    if (copy.filename() > "v3.db") ExpectSteps(*triggers);
    const auto webhooks = SqliteWebhookStore::Open(copy, clock).value();
    if (copy.filename() != "v1.db") ExpectWebhooks(*webhooks);
    EXPECT_EQ(store.value()->CreateVersion({.name = "digits"}, kAda)->version, 4);
    ++read;
  }
  EXPECT_GT(read, 0);
  fs::remove_all(folder);
}

}  // namespace
}  // namespace muster::registry
