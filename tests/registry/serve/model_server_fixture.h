#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <future>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "registry/openvino/engine.h"
#include "registry/serve/model_server.h"
#include "tests/support/tiny_onnx.h"

namespace muster::registry::serve {

/// The oracle's model: "fraud", y = x [1, 2]. Answers marked "Triton" are recorded from Triton 2.51.
class ModelServerTest : public ::testing::Test {
 protected:
  explicit ModelServerTest(const BatchOptions& batch = {})
      : ModelServerTest(ModelServerOptions{.batch = batch}) {}
  explicit ModelServerTest(ModelServerOptions options)
      : server_(*engine_, Versioned(std::move(options))) {}
  void SetUp() override {
    server_.AddRoutes(router_, container_);
    Load("fraud", 1, {1, 2});
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  void Load(const std::string& name, std::int64_t version, const std::vector<float>& weights) {
    const auto directory = folder_ / name / std::to_string(version);
    muster::testing::LinearModel(weights).Write(directory / "model.onnx");
    const Status loaded = server_.Load({name, version, directory});
    ASSERT_TRUE(loaded.ok()) << loaded.error().message;
  }
  http::Response Send(std::string method, std::string_view target, std::string body = {},
                      http::Headers headers = {}) {
    http::Request request{.method = std::move(method)};
    http::SetTarget(request, target);
    request.headers = std::move(headers);
    request.body = std::move(body);
    std::promise<http::Response> answer;
    router_.Dispatch(std::move(request),
                     [&](http::Response response) { answer.set_value(std::move(response)); });
    return answer.get_future().get();
  }

  static ModelServerOptions Versioned(ModelServerOptions options) {
    options.version = "9.8.7";
    return options;
  }

  std::filesystem::path folder_ = std::filesystem::path(::testing::TempDir()) /
                                  ("serve-" + std::to_string(::getpid()) + "-" +
                                   ::testing::UnitTest::GetInstance()->current_test_info()->name());
  std::optional<Container> container_;
  std::unique_ptr<InferenceEngine> engine_ = MakeOpenVinoEngine();
  ModelServer server_;
  http::Router router_;
};

}  // namespace muster::registry::serve
