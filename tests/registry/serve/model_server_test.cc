#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <boost/json/parse.hpp>
#include <future>
#include <thread>

#include "registry/serve/infer_codec.h"
#include "tests/registry/serve/model_server_fixture.h"
#include "tests/registry/serve/tensors.h"

namespace muster::registry::serve {
namespace {

using ::testing::HasSubstr;

std::string RowBody(float first, float second, const std::string& parameters = "{}") {
  return R"({"parameters":)" + parameters +
         R"(,"inputs":[{"name":"x","shape":[1,2],"datatype":"FP32","data":[)" +
         std::to_string(first) + "," + std::to_string(second) + "]}]}";
}

TEST_F(ModelServerTest, Infer_Json_AsTritonAnswers) {
  const std::string body =
      R"({"id":"7","inputs":[{"name":"x","shape":[2,2],"datatype":"FP32","data":[[1,2],[3,4]]}]})";
  const std::string wanted =
      R"({"id":"7","model_name":"fraud","model_version":"1","outputs":[)"
      R"({"name":"y","datatype":"FP32","shape":[2,1],"data":[5.0,11.0]}]})";  // Triton
  EXPECT_EQ(Send("POST", "/v2/models/fraud/infer", body).body, wanted);
  EXPECT_EQ(Send("POST", "/v2/models/fraud/versions/1/infer", body).body, wanted);
}

TEST_F(ModelServerTest, Infer_Binary_BothWays) {
  const std::string json =
      R"({"inputs":[{"name":"x","shape":[1,2],"datatype":"FP32","parameters":{"binary_data_size":8}}],)"
      R"("outputs":[{"name":"y","parameters":{"binary_data":true}}]})";
  const auto response = Send("POST", "/v2/models/fraud/infer", json + Raw<float>({3, 4}),
                             {{std::string(kJsonLengthHeader), std::to_string(json.size())}});
  ASSERT_EQ(response.status, 200) << response.body;
  const auto length = std::stoul(response.headers.at(std::string(kJsonLengthHeader)));
  EXPECT_THAT(response.body.substr(0, length), HasSubstr(R"("parameters":{"binary_data_size":4})"));
  EXPECT_EQ(response.body.substr(length), Raw<float>({11}));
}

TEST_F(ModelServerTest, Infer_WrongRequests_4xxWithOneSentence) {
  const auto expect = [&](std::string_view target, const std::string& body, int status,
                          const std::string& part) {
    const auto response = Send("POST", target, body);
    EXPECT_EQ(response.status, status) << response.body;
    boost::system::error_code failed;
    const auto parsed = boost::json::parse(response.body, failed);
    ASSERT_FALSE(failed) << response.body;
    EXPECT_THAT(std::string(parsed.at("error").as_string()), HasSubstr(part));
  };
  const auto input = [](const std::string& name, const std::string& shape,
                        const std::string& data) {
    return R"({"inputs":[{"name":")" + name + R"(","shape":)" + shape +
           R"(,"datatype":"FP32","data":)" + data + "}]}";
  };
  const std::string infer = "/v2/models/fraud/infer";
  expect(infer, input("x", "[1,3]", "[1,2,3]"), 400, "[1,3], the model wants [-1,2]");
  expect(infer, input("z", "[1,2]", "[1,2]"), 400, "no input 'z'");
  expect(infer, input("x", "[1,2]", "[1]"), 400, "has 4 bytes, shape [1,2] wants 8");
  expect(infer, R"({"inputs":[]})", 400, "'x' is missing");
  expect(infer, "{", 400, "not JSON");
  expect("/v2/models/none/infer", input("x", "[1,2]", "[1,2]"), 404,
         "Request for unknown model: 'none' is not found");
  expect("/v2/models/fraud/versions/9/infer", input("x", "[1,2]", "[1,2]"), 404, "version 9");
}

TEST_F(ModelServerTest, Metadata_HealthAndIndex) {
  EXPECT_EQ(
      Send("GET", "/v2").body,
      R"({"name":"muster","version":"9.8.7","extensions":["classification","model_repository",)"
      R"-("model_repository(unload_dependents)","model_configuration","binary_tensor_data",)-"
      R"("parameters","statistics"]})");
  EXPECT_EQ(Send("GET", "/v2/health/live").status, 200);
  EXPECT_EQ(Send("GET", "/v2/health/ready").status, 200);
  EXPECT_EQ(Send("GET", "/v2/models/fraud").body,
            R"({"name":"fraud","versions":["1"],"platform":"onnxruntime_onnx",)"
            R"("inputs":[{"name":"x","datatype":"FP32","shape":[-1,2]}],)"
            R"("outputs":[{"name":"y","datatype":"FP32","shape":[-1,1]}]})");
  EXPECT_EQ(Send("GET", "/v2/models/none").status, 404);
  EXPECT_EQ(Send("GET", "/v2/models/fraud/ready").status, 200);
  EXPECT_EQ(Send("GET", "/v2/models/fraud/versions/2/ready").body,
            R"({"error":"Model version not ready"})");  // Triton, with 400
  EXPECT_EQ(Send("GET", "/v2/models/fraud/versions/2/ready").status, 400);
  EXPECT_EQ(Send("POST", "/v2/repository/index", "{}").body,
            R"([{"name":"fraud","version":"1","state":"READY"}])");
  EXPECT_EQ(Send("GET", "/v2/models/fraud/infer").status, 405);
}

TEST_F(ModelServerTest, NotReady_UntilAModelIsLoaded) {
  ModelServer empty(*engine_, {});
  http::Router router;
  empty.AddRoutes(router);
  std::swap(router, router_);
  EXPECT_EQ(Send("GET", "/v2/health/live").status, 200);
  EXPECT_EQ(Send("GET", "/v2/health/ready").status, 400);
  EXPECT_EQ(Send("GET", "/ping").status, 503);
  EXPECT_EQ(Send("POST", "/invocations", "{}").status, 404);
}

TEST_F(ModelServerTest, Mlflow_InvocationsPingVersion) {
  const http::Headers json{{"Content-Type", "application/json"}};
  EXPECT_EQ(Send("POST", "/invocations", R"({"inputs":{"x":[[1,2]]}})", json).body,
            R"({"predictions":{"y":[[5.0]]}})");  // mlflow models serve
  EXPECT_EQ(Send("POST", "/invocations",
                 R"({"dataframe_split":{"columns":["p","q"],"data":[[1,2]]}})", json)
                .body,
            R"({"predictions":[{"y":5.0}]})");
  const auto wrong = Send("POST", "/invocations", R"({"inputs":[[1,2,3]]})", json);
  EXPECT_EQ(wrong.status, 400);
  EXPECT_THAT(wrong.body, HasSubstr(R"({"error_code":"BAD_REQUEST","message":"input 'x')"));
  EXPECT_EQ(Send("POST", "/invocations", "1,2", {{"Content-Type", "text/xml"}}).status, 415);
  EXPECT_EQ(
      Send("POST", "/invocations", "1", {{"Content-Type", "text/csv; charset=latin1"}}).status,
      415);
  EXPECT_THAT(Send("POST", "/invocations", "a,b\n1,\x96", {{"Content-Type", "text/csv"}}).body,
              HasSubstr("\xEF\xBF\xBD"));  // an answer is JSON whatever was sent
  EXPECT_EQ(Send("GET", "/ping").status, 200);
  EXPECT_EQ(Send("GET", "/health").status, 200);
  EXPECT_EQ(Send("GET", "/version").body, "9.8.7");
}

/// The same server, with requests computed together.
class BatchedServerTest : public ModelServerTest {
 protected:
  explicit BatchedServerTest(const BatchOptions& batch = {.rows = 8,
                                                          .delay = std::chrono::milliseconds(1)})
      : ModelServerTest(batch) {}
};

TEST_F(BatchedServerTest, ManyAtOnce_EachGetsItsOwnAnswer) {
  std::vector<std::thread> clients;
  for (int client = 0; client < 8; ++client) {
    clients.emplace_back([&, client] {
      for (int i = 0; i < 50; ++i) {
        const auto value = static_cast<float>(100 * client + i);
        const auto response = Send("POST", "/v2/models/fraud/infer", RowBody(value, 1));
        EXPECT_THAT(response.body, HasSubstr("\"data\":[" + std::to_string(100 * client + i + 2)));
      }
    });
  }
  for (std::thread& client : clients) client.join();
  EXPECT_THAT(Send("GET", "/metrics").body,
              HasSubstr(R"(nv_inference_request_success{model="fraud",version="1"} 400)"));
}

TEST_F(BatchedServerTest, WrongRequests_AreAnsweredAsWithoutBatches) {
  const auto wrong =
      Send("POST", "/v2/models/fraud/infer",
           R"({"inputs":[{"name":"x","shape":[1,3],"datatype":"FP32","data":[1,2,3]}]})");
  EXPECT_EQ(wrong.status, 400);
  EXPECT_THAT(wrong.body, HasSubstr("[1,3], the model wants [-1,2]"));
  EXPECT_THAT(Send("POST", "/v2/models/fraud/infer", RowBody(1, 2, R"({"timeout":-1})")).body,
              HasSubstr("'timeout' must be a number of microseconds"));
  EXPECT_EQ(Send("POST", "/invocations", R"({"inputs":[[1,2],[3,4]]})").body,
            R"({"predictions":{"y":[[5.0],[11.0]]}})");
}

/// One request waits for an hour for others, unless it says otherwise.
class PatientServerTest : public BatchedServerTest {
 protected:
  PatientServerTest()
      : BatchedServerTest({.rows = 8, .delay = std::chrono::hours(1), .queue = 1}) {}
};

TEST_F(PatientServerTest, FullQueue_Is429AndTheEndAnswersWhatWaits) {
  std::promise<http::Response> first;
  http::Request request{.method = "POST"};
  http::SetTarget(request, "/v2/models/fraud/infer");
  request.body = RowBody(1, 2);
  router_.Dispatch(std::move(request),
                   [&](http::Response response) { first.set_value(std::move(response)); });
  const auto refused = Send("POST", "/v2/models/fraud/infer", RowBody(3, 4));
  EXPECT_EQ(refused.status, 429) << refused.body;
  EXPECT_EQ(refused.headers.at("Retry-After"), "1");
  EXPECT_THAT(refused.body, HasSubstr("1 requests wait for 'fraud'; try again"));
  Load("fraud", 2, {1, 1});  // the old version goes, and with it what it still has to do
  EXPECT_THAT(first.get_future().get().body, HasSubstr("\"data\":[5.0]"));
}

TEST_F(ModelServerTest, Load_Broken_KeepsTheOld) {
  const auto directory = folder_ / "fraud/2";
  std::filesystem::create_directories(directory);
  EXPECT_EQ(server_.Load({"fraud", 2, directory}).error().kind, ErrorKind::kNotFound);
  EXPECT_THAT(Send("POST", "/invocations", R"({"inputs":[[1,2]]})").body, HasSubstr("5.0"));
}

TEST_F(ModelServerTest, PackedRequests_AnsweredAsPlainOnesAndPackedWhenWanted) {
  std::string rows = "[[1,2]";
  for (int i = 1; i < 400; ++i) rows += ",[1,2]";
  const std::string body = R"({"inputs":)" + rows + "]}";
  const auto plain = Send("POST", "/invocations", body);
  for (const Coding coding : {Coding::kGzip, Coding::kDeflate}) {
    const std::string name(CodingName(coding));
    const auto packed = Send("POST", "/invocations", Pack(body, coding).value(),
                             {{"Content-Encoding", name}, {"Accept-Encoding", name}});
    ASSERT_EQ(packed.status, 200) << packed.body;
    EXPECT_EQ(Unpack(packed.body, packed.headers.at("Content-Encoding"), 1 << 20).value(),
              plain.body);
    EXPECT_EQ(Send("POST", "/invocations", body, {{"Content-Encoding", name}}).status, 400);
  }
  EXPECT_EQ(Send("POST", "/invocations", body, {{"Content-Encoding", "br"}}).status, 415);
}

/// Keeps what the access log is told.
class LoggingServerTest : public ModelServerTest {
 protected:
  LoggingServerTest()
      : ModelServerTest(ModelServerOptions{.access_log = [this](const AccessRecord& record) {
          lines_.push_back(AccessLine(record));
        }}) {}
  std::vector<std::string> lines_;
};

TEST_F(LoggingServerTest, EveryAnswer_HasALineAndItsId) {
  const auto good = Send("POST", "/v2/models/fraud/infer", RowBody(1, 2),
                         {{"X-Request-Id", "r1"}, {"traceparent", "00-a-b-01"}});
  EXPECT_EQ(good.headers.at("X-Request-Id"), "r1");
  EXPECT_EQ(good.headers.at("traceparent"), "00-a-b-01");
  Send("POST", "/v2/models/none/infer", RowBody(1, 2));
  EXPECT_TRUE(Send("PUT", "/nothing").headers.contains("X-Request-Id"));
  const auto live = Send("GET", "/v2/health/live");
  EXPECT_EQ(live.headers.at("X-Request-Id").size(), 15U);
  ASSERT_EQ(lines_.size(), 4U);
  EXPECT_THAT(lines_[0],
              HasSubstr(R"("request_id":"r1","method":"POST","route":"/v2/models/{model}/infer",)"
                        R"("model":"fraud","version":"1","status":200,"bytes_in":)" +
                        std::to_string(RowBody(1, 2).size()) + R"(,"bytes_out":)" +
                        std::to_string(good.body.size()) + ","));
  EXPECT_THAT(lines_[0], HasSubstr(R"("compute_us":)"));
  EXPECT_THAT(lines_[0], HasSubstr(R"("traceparent":"00-a-b-01")"));
  EXPECT_THAT(lines_[1], HasSubstr(R"("status":404,)"));
  EXPECT_THAT(lines_[1], ::testing::Not(HasSubstr("\"model\":")));
  EXPECT_THAT(lines_[2], HasSubstr(R"("method":"PUT","status":404,)"));
  EXPECT_THAT(lines_[3],
              HasSubstr(R"("route":"/v2/health/live","status":200,"bytes_in":0,"bytes_out":0,)"));
}

TEST_F(ModelServerTest, Metrics_CountByVersionAndStayAfterASwap) {
  const std::string good = R"({"inputs":[[1,2],[3,4]]})";
  Send("POST", "/invocations", good);
  Send("POST", "/invocations", "{}");
  Load("fraud", 2, {10, 20});
  EXPECT_THAT(Send("POST", "/invocations", good).body, HasSubstr("[[50.0],[110.0]]"));
  const std::string page = Send("GET", "/metrics").body;
  EXPECT_THAT(page, HasSubstr(R"(nv_inference_request_success{model="fraud",version="1"} 1)"));
  EXPECT_THAT(page, HasSubstr(R"(nv_inference_request_success{model="fraud",version="2"} 1)"));
  EXPECT_THAT(
      page,
      HasSubstr(R"(nv_inference_request_failure{model="fraud",version="1",reason="OTHER"} 1)"));
  EXPECT_THAT(page, HasSubstr(R"(nv_inference_count{model="fraud",version="2"} 2)"));
}

}  // namespace
}  // namespace muster::registry::serve
