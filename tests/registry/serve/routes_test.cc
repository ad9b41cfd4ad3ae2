#include <gmock/gmock.h>

#include "registry/serve/infer_codec.h"
#include "tests/registry/serve/model_server_fixture.h"
#include "tests/registry/serve/tensors.h"

namespace muster::registry::serve {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

const http::Headers kJson{{"Content-Type", "application/json"}};
const std::string kInfer =
    R"({"inputs":[{"name":"x","shape":[2,2],"datatype":"FP32","data":[[1,2],[3,4]]}]})";

using RoutesTest = ModelServerTest;

TEST_F(RoutesTest, Config_AsTritonSpellsIt) {
  EXPECT_EQ(Send("GET", "/v2/models/fraud/config").body,
            R"({"name":"fraud","platform":"onnxruntime_onnx","backend":"onnxruntime",)"
            R"("version_policy":{"latest":{"num_versions":1}},"max_batch_size":1,)"
            R"("input":[{"name":"x","data_type":"TYPE_FP32","dims":[2]}],)"
            R"("output":[{"name":"y","data_type":"TYPE_FP32","dims":[1]}],)"
            R"("instance_group":[{"name":"fraud","kind":"KIND_CPU","count":1}],)"
            R"("default_model_filename":"model.onnx"})");
  EXPECT_EQ(Send("GET", "/v2/models/fraud/versions/7/config").status, 404);
}

TEST_F(RoutesTest, Statistics_CountRowsRequestsAndCalls) {
  Send("POST", "/v2/models/fraud/infer", kInfer);
  Send("POST", "/v2/models/fraud/infer", "{}");
  const std::string stats = Send("GET", "/v2/models/fraud/stats").body;
  EXPECT_THAT(stats,
              StartsWith(R"({"model_stats":[{"name":"fraud","version":"1","last_inference":1)"));
  EXPECT_THAT(
      stats,
      HasSubstr(
          R"("inference_count":2,"execution_count":1,"inference_stats":{"success":{"count":1,"ns":)"));
  EXPECT_THAT(stats, HasSubstr(R"("fail":{"count":1,"ns":)"));
  EXPECT_THAT(
      stats,
      HasSubstr(
          R"("cache_hit":{"count":0,"ns":0},"cache_miss":{"count":0,"ns":0}},)"
          R"("response_stats":{},"batch_stats":[{"batch_size":2,"compute_input":{"count":1,)"));
  EXPECT_EQ(Send("GET", "/v2/models/stats").body,
            Send("GET", "/v2/models/fraud/versions/1/stats").body);
  EXPECT_EQ(Send("GET", "/v2/models/none/stats").status, 400);  // Triton
}

TEST_F(RoutesTest, WithoutARepository_NobodyLoadsOrUnloads) {
  for (const auto* verb : {"load", "unload"}) {
    const auto answer = Send("POST", std::string("/v2/repository/models/fraud/") + verb);
    EXPECT_EQ(answer.status, 503) << answer.body;  // Triton
    EXPECT_THAT(answer.body, HasSubstr("--repository"));
  }
  EXPECT_EQ(Send("GET", "/models").status, 404);
  EXPECT_EQ(Send("GET", "/v2/models/fraud/ready").status, 200);
}

TEST_F(RoutesTest, KserveV1_ModelsAndPredictions) {
  EXPECT_EQ(Send("GET", "/v1/models").body, R"({"models":["fraud"]})");
  EXPECT_EQ(Send("GET", "/v1/models/fraud").body, R"({"name":"fraud","ready":true})");
  EXPECT_EQ(Send("GET", "/v1/models/none").status, 404);
  const std::string predict = "/v1/models/fraud:predict";
  EXPECT_EQ(Send("POST", predict, R"({"instances":[[1,2],[3,4]]})").body,
            R"({"predictions":[[5.0],[11.0]]})");
  EXPECT_EQ(Send("POST", predict, R"({"instances":[{"x":[1,2]}]})",
                 {{"Content-Type", "application/x-www-form-urlencoded"}})
                .body,
            R"({"predictions":[[5.0]]})");
  EXPECT_EQ(Send("POST", "/v1/models/none:predict", "{}").body,
            R"({"error":"Model with name none does not exist."})");
  EXPECT_EQ(Send("POST", "/v1/models/fraud:explain", "{}").status, 404);
  EXPECT_EQ(Send("POST", predict, R"({"instances":3})").status, 400);
}

TEST_F(RoutesTest, SageMaker_EveryBodyOfInvocations) {
  const auto answer = [&](const std::string& type, const std::string& body) {
    return Send("POST", "/invocations", body, {{"Content-Type", type}}).body;
  };
  EXPECT_EQ(answer("text/csv", "a,b\n1,2\n3,4\n"), R"({"predictions":[{"y":5.0},{"y":11.0}]})");
  EXPECT_EQ(answer("Text/CSV;header=absent", "1,2"), R"({"predictions":[{"y":5.0}]})");
  EXPECT_EQ(answer("application/json; charset=utf-8", kInfer),
            Send("POST", "/v2/models/fraud/infer", kInfer).body);
  const std::string json =
      R"({"inputs":[{"name":"x","shape":[1,2],"datatype":"FP32","parameters":{"binary_data_size":8}}],)"
      R"("parameters":{"binary_data_output":true}})";
  const std::string type = "application/vnd.sagemaker-triton.binary+json;json-header-size=";
  const auto binary = Send("POST", "/invocations", json + Raw<float>({3, 4}),
                           {{"Content-Type", type + std::to_string(json.size())}});
  ASSERT_EQ(binary.status, 200) << binary.body;
  const std::string answered = binary.headers.at("Content-Type");
  ASSERT_THAT(answered, StartsWith(type));
  EXPECT_EQ(binary.body.substr(std::stoul(answered.substr(type.size()))), Raw<float>({11}));
  EXPECT_EQ(Send("GET", "/execution-parameters").body,
            R"({"MaxConcurrentTransforms":1,"BatchStrategy":"MULTI_RECORD","MaxPayloadInMB":64})");
}

TEST_F(RoutesTest, AzureMl_ScoreAndLiveness) {
  EXPECT_EQ(Send("GET", "/").body, "Healthy");
  EXPECT_EQ(
      Send("POST", "/score", R"({"input_data":{"columns":["a","b"],"data":[[1,2]]}})", kJson).body,
      "[[5.0]]");
  EXPECT_EQ(Send("POST", "/score", R"({"inputs":[[1,2]]})", kJson).body,
            R"({"predictions":{"y":[[5.0]]}})");
}

TEST_F(RoutesTest, UnknownPath_IsInTheProtocolsForm) {
  const auto answer = Send("GET", "/v2/nothing");
  EXPECT_EQ(answer.status, 404);
  EXPECT_EQ(answer.body, R"({"error":"nothing answers GET /v2/nothing"})");
}

class VertexTest : public ModelServerTest {
 protected:
  VertexTest() {
    container_ = Container{
        .platform = "Vertex AI", .health_route = "/ping", .predict_route = "/invocations"};
  }
};

TEST_F(VertexTest, ItsRoutesComeBeforeOurs) {
  EXPECT_EQ(Send("GET", "/ping").status, 200);
  EXPECT_EQ(
      Send("POST", "/invocations", R"({"instances":[[1,2],[3,4]],"parameters":{}})", kJson).body,
      R"({"predictions":[[5.0],[11.0]]})");
  EXPECT_THAT(Send("POST", "/invocations", kInfer, kJson).body, HasSubstr(R"("data":[5.0,11.0])"));
  EXPECT_EQ(Send("POST", "/invocations", "{}", kJson).body.substr(0, 10), R"({"error":")");
}

/// A server of a folder of models.
class RepositoryTest : public ModelServerTest {
 protected:
  explicit RepositoryTest(std::uint64_t memory_max = 0)
      : ModelServerTest(ModelServerOptions{.repository = &repository_, .memory_max = memory_max}) {}
  void Put(const std::string& where, const std::vector<float>& weights) {
    muster::testing::LinearModel(weights).Write(folder_ / where / "model.onnx");
  }
  http::Response Control(const std::string& what, const std::string& body = {}) {
    return Send("POST", "/v2/repository/" + what, body);
  }
  ModelRepository repository_{folder_};
};

TEST_F(RepositoryTest, Load_TakesTheLatestAndKeepsTheOldWhenItFails) {
  Put("fraud/12", {10, 20});
  EXPECT_EQ(Control("models/fraud/load").status, 200);
  EXPECT_THAT(Send("POST", "/v2/models/fraud/infer", kInfer).body, HasSubstr("[50.0,110.0]"));
  EXPECT_EQ(Send("GET", "/v2/models/fraud/versions/1/ready").status, 400);
  std::filesystem::create_directories(folder_ / "fraud/13");
  std::filesystem::copy_file(folder_ / "fraud/12/model.onnx", folder_ / "fraud/13/model.onnx");
  std::filesystem::resize_file(folder_ / "fraud/13/model.onnx", 20);
  EXPECT_EQ(Control("models/fraud/load").status, 400);
  EXPECT_THAT(Send("POST", "/v2/models/fraud/infer", kInfer).body,
              HasSubstr(R"("model_version":"12")"));
  EXPECT_EQ(Control("index").body, R"([{"name":"fraud","version":"12","state":"READY"}])");
}

TEST_F(RepositoryTest, Unload_IsGoneAndCounted) {
  Send("POST", "/v2/models/fraud/infer", kInfer);
  Put("other/1", {1, 1});
  EXPECT_EQ(Control("models/fraud/unload", R"({"parameters":{"unload_dependents":true}})").status,
            200);
  EXPECT_EQ(Control("models/none/unload").status, 200);  // Triton
  EXPECT_EQ(Send("POST", "/v2/models/fraud/infer", kInfer).status, 404);
  EXPECT_EQ(
      Control("index", "{}").body,
      R"([{"name":"fraud","version":"1","state":"UNAVAILABLE","reason":"unloaded"},{"name":"other"}])");
  EXPECT_EQ(Control("index", R"({"ready":true})").body, "[]");
  EXPECT_THAT(Send("GET", "/metrics").body,
              HasSubstr(R"(nv_inference_request_success{model="fraud",version="1"} 1)"));
  EXPECT_EQ(Send("GET", "/v2/health/ready").status, 200);
}

TEST_F(RepositoryTest, WrongControl_IsRefusedInWords) {
  const auto expect = [&](const std::string& what, const std::string& body, int status,
                          const std::string& words) {
    const auto answer = Control(what, body);
    EXPECT_EQ(answer.status, status) << answer.body;
    EXPECT_THAT(answer.body, HasSubstr(words));
  };
  expect("models/fraud/load", R"({"parameters":{"config":"{}"}})", 400,
         "'config' is not supported");
  expect("models/fraud/load", R"({"parameters":{"file:1/model.onnx":""}})", 400,
         "'file:1/model.onnx'");
  expect("models/fraud/load", "{", 400, "not JSON");
  expect("models/none/load", "", 404, "there is no model directory");
  expect("models/..%2Ffraud/load", "", 400, "not the name of a model's folder");
  expect("models/%2e%2e/load", "", 400, "not the name of a model's folder");
  expect("index", R"({"ready":1})", 400, "'ready' must be a boolean");
}

TEST_F(RepositoryTest, FailedLoads_LeaveNoNamesBehind) {
  for (int i = 0; i < 3; ++i) Control("models/none" + std::to_string(i) + "/load");
  EXPECT_EQ(Control("index").body, R"([{"name":"fraud","version":"1","state":"READY"}])");
}

TEST_F(RepositoryTest, SageMakersMultiModel_LoadListInvokeUnload) {
  Put("7f3a/model", {1, 1});
  const auto load = [&](const std::string& name, const std::string& path) {
    return Send("POST", "/models",
                R"({"model_name":")" + name + R"(","url":")" + (folder_ / path).string() + "\"}",
                kJson);
  };
  EXPECT_EQ(load("7f3a", "7f3a/model").status, 200);
  EXPECT_EQ(load("7f3a", "7f3a/model").status, 409);
  EXPECT_EQ(load("b", "none").status, 404);
  EXPECT_EQ(load("b", "..").status, 401);
  EXPECT_EQ(Send("POST", "/models", "{}", kJson).status, 400);
  EXPECT_EQ(Send("POST", "/models/7f3a/invoke", R"({"instances":[[1,2]]})", kJson).body,
            R"({"predictions":{"y":[[3.0]]}})");
  const auto first = Send("GET", "/models?limit=1");
  EXPECT_THAT(first.body,
              StartsWith(R"({"nextPageToken":"7f3a","models":[{"modelName":"7f3a","modelUrl":")"));
  EXPECT_THAT(Send("GET", "/models?limit=1&next_page_token=7f3a").body,
              StartsWith(R"({"models":[{"modelName":"fraud")"));
  EXPECT_EQ(Send("GET", "/models?limit=x").status, 400);
  EXPECT_EQ(Send("GET", "/models/7f3a").status, 200);
  EXPECT_EQ(Send("DELETE", "/models/7f3a").status, 200);
  EXPECT_EQ(Send("DELETE", "/models/7f3a").status, 404);
  EXPECT_EQ(Send("GET", "/models/7f3a").status, 404);
  EXPECT_EQ(Send("POST", "/models/7f3a/invoke", "{}", kJson).status, 404);
}

/// No process has as little memory as this one may.
class FullTest : public RepositoryTest {
 protected:
  FullTest() : RepositoryTest(1) {}
  void SetUp() override { server_.AddRoutes(router_); }
};

TEST_F(FullTest, Load_BeyondTheBound_Is507) {
  Put("fraud/1", {1, 2});
  const auto refused = Control("models/fraud/load");
  EXPECT_EQ(refused.status, 507);
  EXPECT_THAT(refused.body, HasSubstr("unload another"));
}

}  // namespace
}  // namespace muster::registry::serve
