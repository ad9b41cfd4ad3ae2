#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <boost/json/parse.hpp>
#include <condition_variable>
#include <future>
#include <mutex>
#include <thread>

#ifdef MUSTER_TEST_OPENVINO
#include "registry/openvino/engine.h"
#endif
#include "registry/serve/alias_follower.h"
#include "runtime/http/client.h"
#include "runtime/http/server.h"
#include "tests/registry/serve/tensors.h"
#include "tests/support/tiny_onnx.h"

namespace muster::registry::serve {
namespace {

using namespace std::chrono_literals;

#ifdef MUSTER_TEST_OPENVINO
std::unique_ptr<InferenceEngine> MakeEngine() { return MakeOpenVinoEngine(); }
#else
/// Computes what the files of this test say, v x for folder v. OpenVINO does not run under the
/// thread sanitizer, and the swap is where races would be.
class FolderModel final : public InferenceModel {
 public:
  explicit FolderModel(float factor) : factor_(factor) {}
  [[nodiscard]] const std::vector<TensorSpec>& inputs() const override { return inputs_; }
  [[nodiscard]] const std::vector<TensorSpec>& outputs() const override { return outputs_; }
  Result<std::vector<Tensor> > Infer(const std::vector<Tensor>& inputs) override {
    auto outputs = inputs;
    outputs[0].name = "y";
    std::vector<float> values = Values<float>(inputs[0]);
    for (float& value : values) value *= factor_;
    std::memcpy(outputs[0].bytes.data(), values.data(), outputs[0].bytes.size());
    return outputs;
  }

 private:
  float factor_;
  std::vector<TensorSpec> inputs_{{"x", ElementType::kF32, {-1, 1}}};
  std::vector<TensorSpec> outputs_{{"y", ElementType::kF32, {-1, 1}}};
};
class FolderEngine final : public InferenceEngine {
 public:
  Result<std::unique_ptr<InferenceModel> > Load(const std::filesystem::path& file, int) override {
    return std::unique_ptr<InferenceModel>(
        new FolderModel(std::stof(file.parent_path().filename().string())));
  }
  [[nodiscard]] std::string name() const override { return "folder"; }
};
std::unique_ptr<InferenceEngine> MakeEngine() { return std::make_unique<FolderEngine>(); }
#endif

/// An alias that the test moves.
class MovableAlias final : public ModelSource {
 public:
  void Point(ModelLocation to) {
    const std::lock_guard lock(mutex_);
    location_ = std::move(to);
  }
  Result<ModelLocation> Current() override {
    const std::lock_guard lock(mutex_);
    return location_;
  }

 private:
  std::mutex mutex_;
  ModelLocation location_;
};

/// The highest version that any client has had an answer from.
class Newest {
 public:
  void Saw(std::int64_t version) {
    const std::lock_guard lock(mutex_);
    newest_ = std::max(newest_, version);
    changed_.notify_all();
  }
  bool WaitFor(std::int64_t version) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, 60s, [&] { return newest_ >= version; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::int64_t newest_ = 0;
};

/// What one client saw while the alias moved.
struct Seen {
  int answers = 0, failed = 0, wrong = 0;
};

TEST(ModelSwap, AliasMovesTwentyTimes_NoRequestFails) {
  const auto folder =
      std::filesystem::path(::testing::TempDir()) / ("swap-" + std::to_string(::getpid()));
  const auto at = [&](std::int64_t version) {
    return ModelLocation{"m", version, folder / std::to_string(version)};
  };
  constexpr std::int64_t kVersions = 21;
  for (std::int64_t version = 1; version <= kVersions; ++version) {
    // Version v answers v x: every answer can be told right from wrong.
    muster::testing::LinearModel({static_cast<float>(version)})
        .Write(at(version).directory / "model.onnx");
  }
  const auto engine = MakeEngine();
  ModelServer models(*engine, {});
  MovableAlias alias;
  alias.Point(at(1));
  AliasFollower follower(alias, models, {.poll = 1ms});
  ASSERT_TRUE(follower.Step().ok());
  http::Router router;
  models.AddRoutes(router);
  auto server = http::Server::Start({.threads = 2}, router);
  ASSERT_TRUE(server.ok()) << server.error().message;

  std::atomic<bool> done = false;
  Newest newest;
  std::vector<Seen> seen(4);
  std::vector<std::thread> clients;
  for (std::size_t i = 0; i < seen.size(); ++i) {
    clients.emplace_back([&, i] {
      http::Client client((*server)->url(), 20s);
      std::int64_t last = 0;
      while (!done) {
        http::Request request{.method = "POST"};
        request.body = R"({"inputs":[{"name":"x","shape":[1,1],"datatype":"FP32","data":[2]}]})";
        const auto response = client.Send("/v2/models/m/infer", std::move(request));
        ++seen[i].answers;
        if (!response.ok() || response->status != 200) {
          ++seen[i].failed;
          continue;
        }
        const auto body = boost::json::parse(response->body);
        const std::int64_t version = std::stoll(std::string(body.at("model_version").as_string()));
        const double value = body.at("outputs").at(0).at("data").at(0).as_double();
        if (value != 2.0 * static_cast<double>(version)) ++seen[i].wrong;
        if (version < last) ++seen[i].wrong;  // one connection never goes back in time
        if (version > last) newest.Saw(version);
        last = version;
      }
    });
  }
  follower.Start();
  for (std::int64_t version = 2; version <= kVersions; ++version) {
    alias.Point(at(version));
    EXPECT_TRUE(newest.WaitFor(version)) << version;
  }
  done = true;
  for (auto& client : clients) client.join();
  follower.Stop();
  (*server)->Stop();
  std::filesystem::remove_all(folder);
  int answers = 0;
  for (const Seen& one : seen) {
    answers += one.answers;
    EXPECT_EQ(one.failed, 0);
    EXPECT_EQ(one.wrong, 0);
  }
  EXPECT_GT(answers, kVersions);
}

TEST(ModelSwap, LoadedAndUnloadedWhileAsked_AnswersOrIsUnknown) {
  const auto folder =
      std::filesystem::path(::testing::TempDir()) / ("cycle-" + std::to_string(::getpid()));
  for (const float version : {1.0F, 2.0F}) {
    muster::testing::LinearModel({version}).Write(
        folder / "m" / std::to_string(static_cast<int>(version)) / "model.onnx");
  }
  const auto engine = MakeEngine();
  ModelServer models(*engine, {.batch = {.rows = 4, .instances = 2}});
  http::Router router;
  models.AddRoutes(router);
  std::atomic<bool> done = false;
  std::atomic<int> answered = 0, unknown = 0, wrong = 0;
  std::vector<std::thread> clients;
  for (int i = 0; i < 3; ++i) {
    clients.emplace_back([&] {
      while (!done) {
        http::Request request{.method = "POST"};
        http::SetTarget(request, "/v2/models/m/infer");
        request.body = R"({"inputs":[{"name":"x","shape":[1,1],"datatype":"FP32","data":[2]}]})";
        std::promise<http::Response> answer;
        router.Dispatch(std::move(request),
                        [&](http::Response response) { answer.set_value(std::move(response)); });
        const http::Response response = answer.get_future().get();
        const bool first = response.body.find(R"("model_version":"1")") != std::string::npos;
        const bool right = response.body.find(first ? "[2.0]" : "[4.0]") != std::string::npos;
        if (response.status == 404) {
          ++unknown;
        } else if (response.status == 200 && right) {
          ++answered;
        } else {
          ++wrong;
        }
      }
    });
  }
  // Until each has been seen: answers of a version, and none when there is none.
  for (int cycle = 0; cycle < 40 || answered == 0 || unknown == 0; ++cycle) {
    const std::int64_t version = 1 + cycle % 2;
    EXPECT_TRUE(models.Load({"m", version, folder / "m" / std::to_string(version)}).ok());
    if (cycle % 4 == 3) {
      EXPECT_TRUE(models.Unload("m").ok());
    }
    http::Request index{.method = "POST"};
    http::SetTarget(index, "/v2/repository/index");
    router.Dispatch(std::move(index),
                    [](const http::Response& response) { EXPECT_EQ(response.status, 200); });
  }
  done = true;
  for (std::thread& client : clients) client.join();
  EXPECT_EQ(wrong, 0);
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace muster::registry::serve
