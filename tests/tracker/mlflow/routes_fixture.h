#pragma once

#include <gmock/gmock.h>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "registry/memory_model_store.h"
#include "tracker/memory_run_store.h"
#include "tracker/mlflow/routes.h"
#include "tracker/sqlite/artifact_store.h"

/// The routes on stores in memory, without a socket. What MLflow's client cannot show: exact bodies and
/// statuses, wrong requests, who is let in. Expected bodies are written after what MLflow 3.18's own server
/// answered to the same requests.

namespace muster::tracker {

class RoutesTest : public testing::Test {
 protected:
  RoutesTest() : runs_(clock_), models_(clock_) {
    std::string pattern =
        (std::filesystem::temp_directory_path() / "muster_routes_XXXXXX").string();
    folder_ = ::mkdtemp(pattern.data());
    artifacts_ = OpenLocalArtifactStore(folder_).value();
    AddMlflowRoutes(
        router_, runs_, *artifacts_, models_,
        {.fence = [this](const http::Request& request, const RunId& run) -> Result<AttemptEpoch> {
           fenced_run_ = run.value;
           if (request.BearerToken() == "old") return Fenced("attempt 3 is over");
           return AttemptEpoch(attempt_);
         },
         .actor = [](const http::Request&) { return std::string("ada"); },
         .open_root = [this](std::string_view uri) -> Result<std::shared_ptr<ArtifactStore>> {
           if (!opened_) return Unsupported("nobody opens " + std::string(uri));
           return opened_;
         },
         .folder = folder_});
  }
  ~RoutesTest() override {
    artifacts_.reset();
    std::filesystem::remove_all(folder_);
  }

  http::Response Send(std::string method, std::string_view target, std::string body = "",
                      std::string token = "") {
    http::Request request{.method = std::move(method), .body = std::move(body)};
    http::SetTarget(request, target);
    request.headers["Content-Type"] = "application/json";
    request.headers["Host"] = "tracker:5000";
    if (!token.empty()) request.headers["Authorization"] = "Bearer " + token;
    std::optional<http::Response> answer;
    router_.Dispatch(std::move(request),
                     [&](http::Response response) { answer = std::move(response); });
    return std::move(answer).value();
  }
  /// Sends below /api/2.0/mlflow and expects this status and body.
  void Expect(std::string method, std::string_view path, std::string body, int status,
              std::string_view wanted) {
    const auto answer = Send(std::move(method), "/api/2.0/mlflow" + std::string(path), body);
    EXPECT_EQ(answer.status, status) << path << " " << body << ": " << answer.body;
    EXPECT_EQ(answer.body, boost::json::serialize(boost::json::parse(wanted))) << path;
  }
  void ExpectError(std::string method, std::string_view path, std::string body, int status,
                   std::string_view code, std::string_view message) {
    static const std::map<std::string_view, std::pair<std::string_view, std::string_view>>
        kClasses = {{"INVALID_PARAMETER_VALUE", {"KAM00", "INVALID_PARAMETER_VALUE"}},
                    {"RESOURCE_DOES_NOT_EXIST", {"KAM00", "RESOURCE_NOT_FOUND"}},
                    {"RESOURCE_ALREADY_EXISTS", {"KAM00", "RESOURCE_ALREADY_EXISTS"}},
                    {"INVALID_STATE", {"XXM00", "CLIENT_INTERNAL_ERROR"}},
                    {"INTERNAL_ERROR", {"XXM00", "CLIENT_INTERNAL_ERROR"}},
                    {"ENDPOINT_NOT_FOUND", {"KAM00", "RESOURCE_NOT_FOUND"}}};
    boost::json::object error{{"error_code", code}, {"message", message}};
    if (const auto known = kClasses.find(code); known != kClasses.end()) {
      error["sqlstate"] = known->second.first;
      error["error_class"] = known->second.second;
    }
    Expect(std::move(method), path, std::move(body), status, boost::json::serialize(error));
  }
  void MakeRun(std::string id) {
    runs_.CreateRun(
        {.run_id = RunId(std::move(id)), .user_id = "ada", .run_name = "r", .start_time_ms = 5},
        [](const Result<tracker::Run>& run) { ASSERT_TRUE(run.ok()); });
  }

  LoggedModel MakeLoggedModel(std::string name) {
    LoggedModel model;
    runs_.CreateLoggedModel({.experiment_id = "0", .name = std::move(name)},
                            [&](Result<LoggedModel> made) { model = made.value(); });
    return model;
  }

  FakeClock clock_;
  std::filesystem::path folder_;
  MemoryRunStore runs_;
  registry::MemoryModelStore models_;
  std::unique_ptr<ArtifactStore> artifacts_;
  std::shared_ptr<ArtifactStore> opened_;  ///< what MlflowOptions::open_root answers
  http::Router router_;
  std::int64_t attempt_ = 0;
  std::string fenced_run_;  ///< of the last write
};

}  // namespace muster::tracker
