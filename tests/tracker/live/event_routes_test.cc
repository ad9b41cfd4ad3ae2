#include "tracker/live/event_routes.h"

#include <gmock/gmock.h>

#include <limits>
#include <optional>

#include "runtime/http/server.h"
#include "tests/runtime/http/raw_client.h"
#include "tracker/memory_run_store.h"

namespace muster::tracker {
namespace {

using testing::HasSubstr;

class EventRoutesTest : public testing::Test {
 protected:
  EventRoutesTest() : runs_(clock_) {
    runs_.SetEventSink([this](RunEvent event) { log_.Add(std::move(event)); });
    AddEventRoutes(router_, log_, "e1");
  }
  ~EventRoutesTest() override { runs_.SetEventSink({}); }

  http::Response Get(std::string_view target, std::string last_id = "") {
    http::Request request{.method = "GET"};
    http::SetTarget(request, target);
    if (!last_id.empty()) request.headers["Last-Event-ID"] = std::move(last_id);
    std::optional<http::Response> answer;
    router_.Dispatch(std::move(request),
                     [&](http::Response response) { answer = std::move(response); });
    return std::move(answer).value();
  }
  /// What a stream has to send now.
  static std::string Read(const http::Response& response) {
    std::string all;
    for (std::string piece; !(piece = response.source->Next().value()).empty();) all += piece;
    return all;
  }
  void MakeRun(const char* id) {
    runs_.CreateRun({.run_id = RunId(id), .run_name = "n", .start_time_ms = 5}, [](const auto&) {});
  }
  void Log(const char* run, double value, std::int64_t step) {
    runs_.LogBatch(RunId(run), {.metrics = {{"loss", value, 7, step}}}, [](const Status&) {});
  }

  FakeClock clock_;
  MemoryRunStore runs_;
  EventLog log_;
  http::Router router_;
};

TEST_F(EventRoutesTest, PointsAndLogsOfARank_SayWhose) {
  MakeRun("r");
  const auto stream = Get("/events?run_id=r");
  Read(stream);
  runs_.LogBatch(RunId("r"),
                 {.metrics = {{.key = "m", .value = 1, .timestamp_ms = 7, .step = 3, .rank = 12}}},
                 [](const Status&) {});
  log_.Add({RunId("r"), LogText{"12.err", 5, "oh\n"}});
  EXPECT_EQ(Read(stream), R"(id: e1-2
event: points
data: {"run_id":"r","metrics":[{"key":"m","value":1E0,"timestamp":7,"step":3,"rank":12}]}

id: e1-3
event: log
data: {"run_id":"r","rank":12,"stream":"err","log":"12.err","begin":5,"text":"oh\n"}

)");
}

TEST_F(EventRoutesTest, EveryKindAsJson) {
  const auto stream = Get("/events?run_id=r");
  EXPECT_EQ(stream.headers.at("Content-Type"), "text/event-stream");
  EXPECT_EQ(Read(stream), "id: e1-0\nevent: open\ndata: {}\n\n");
  MakeRun("r");
  MakeRun("other");
  Log("other", 1, 1);
  Log("r", 0.5, 3);
  Log("r", std::numeric_limits<double>::quiet_NaN(), 4);
  runs_.UpdateRun(RunId("r"), {.status = RunStatus::kFinished, .end_time_ms = 9},
                  [](const auto&) {});
  runs_.ResumeAt(RunId("r"), 2, 3, [](const Status&) {});
  runs_.SetRunDeleted(RunId("r"), true, [](const Status&) {});
  runs_.SetRunDeleted(RunId("r"), false, [](const Status&) {});
  log_.Add({RunId("r"), LogText{"0.out", 10, "epoch 1\nloss \"x\"\n"}});
  EXPECT_EQ(Read(stream), R"(id: e1-1
event: run
data: {"run_id":"r","experiment_id":"0","run_name":"n","status":"RUNNING","start_time":5,"lifecycle_stage":"active"}

id: e1-4
event: points
data: {"run_id":"r","metrics":[{"key":"loss","value":5E-1,"timestamp":7,"step":3}]}

id: e1-5
event: points
data: {"run_id":"r","metrics":[{"key":"loss","value":"NaN","timestamp":7,"step":4}]}

id: e1-6
event: run
data: {"run_id":"r","experiment_id":"0","run_name":"n","status":"FINISHED","start_time":5,"end_time":9,"lifecycle_stage":"active"}

id: e1-7
event: resumed
data: {"run_id":"r","attempt":2,"step":3}

id: e1-8
event: deleted
data: {"run_id":"r"}

id: e1-9
event: restored
data: {"run_id":"r"}

id: e1-10
event: log
data: {"run_id":"r","rank":0,"stream":"out","log":"0.out","begin":10,"text":"epoch 1\nloss \"x\"\n"}

)");
  EXPECT_EQ(Read(stream), "");
}

TEST_F(EventRoutesTest, ResumedById_GoesOnWhereItWas) {
  MakeRun("r");
  Log("r", 1, 1);
  Log("r", 2, 2);
  for (const auto& stream : {Get("/events?run_id=r", "e1-2"), Get("/events?run_id=r&after=e1-2")}) {
    const std::string text = Read(stream);
    EXPECT_THAT(text, testing::StartsWith("id: e1-2\nevent: open\n"));
    EXPECT_THAT(text, HasSubstr("id: e1-3\nevent: points\n"));
    EXPECT_THAT(text, testing::Not(HasSubstr("reset")));
    EXPECT_THAT(text, testing::Not(HasSubstr("\"step\":1")));
  }
}

TEST_F(EventRoutesTest, IdOfAnotherStartOrOfNoSense_IsAGap) {
  MakeRun("r");
  for (const char* id : {"e0-1", "e1-99", "e1-", "e1-x", "nonsense", "e1"}) {
    EXPECT_EQ(Read(Get("/events?run_id=r", id)),
              "id: e1-1\nevent: open\ndata: {}\n\nid: e1-1\nevent: reset\ndata: {}\n\n")
        << id;
  }
}

TEST_F(EventRoutesTest, SlowReader_IsToldThatItMissedSome) {
  const auto stream = Get("/events?run_id=r");
  EXPECT_THAT(Read(stream), HasSubstr("open"));
  for (int i = 0; i < 40; ++i) {
    log_.Add({RunId("r"), LogText{"0.out", 0, std::string(1 << 20, 'x')}});
  }
  const std::string text = stream.source->Next().value();
  EXPECT_THAT(text, testing::StartsWith("id: e1-0\nevent: reset\n"));
  EXPECT_THAT(text, HasSubstr("id: e1-40\nevent: log\n"));
}

TEST_F(EventRoutesTest, RunsWantBounds) {
  EXPECT_EQ(Get("/events").status, 400);
  std::string many = "/events?run_id=0";
  for (int i = 1; i <= 1000; ++i) many += "&run_id=" + std::to_string(i);
  EXPECT_EQ(Get(many).status, 400);
}

TEST_F(EventRoutesTest, OverHttp_PushedAsTheyHappen) {
  const auto server = http::Server::Start({}, router_).value();
  http::RawClient client(server->port());
  client.Write("GET /events?run_id=r HTTP/1.1\r\nHost: localhost\r\n\r\n");
  EXPECT_THAT(client.ReadUntil("event: open\ndata: {}\n\n"), HasSubstr("text/event-stream"));
  MakeRun("r");
  EXPECT_THAT(client.ReadUntil("\n\n"), HasSubstr("\"status\":\"RUNNING\""));
  for (int step = 0; step < 100; ++step) {
    Log("r", step, step);
    const std::string text = client.ReadUntil("\n\n");
    EXPECT_THAT(text, HasSubstr("\"step\":" + std::to_string(step) + "}"));
  }
  EXPECT_FALSE(client.timed_out());
  server->Stop();
}

}  // namespace
}  // namespace muster::tracker
