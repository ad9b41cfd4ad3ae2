#include "registry/serve/container.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <set>

namespace muster::registry::serve {
namespace {

using ::testing::HasSubstr;
using Variables = std::map<std::string, std::string, std::less<>>;

Result<std::optional<Container>> Of(const Variables& variables,
                                    const std::set<std::filesystem::path>& folders = {}) {
  return ContainerOf(
      [&](std::string_view name) -> std::optional<std::string> {
        const auto found = variables.find(name);
        return found == variables.end() ? std::nullopt : std::optional(found->second);
      },
      [&](const std::filesystem::path& path) { return folders.contains(path); });
}

Variables Vertex(Variables more = {}) {
  more.insert({{"AIP_HTTP_PORT", "8081"},
               {"AIP_HEALTH_ROUTE", "/health"},
               {"AIP_PREDICT_ROUTE", "/v1/endpoints/1/deployedModels/2:predict"},
               {"AIP_MODE", "PREDICTION"},
               {"AIP_STORAGE_URI", "/models/fraud"}});
  return more;
}

TEST(ContainerOf, EachPlatform) {
  struct Case {
    Variables variables;
    std::set<std::filesystem::path> folders;
    std::string platform;
    std::uint16_t port;
    std::string model, repository;
  };
  const Case cases[] = {
      {Vertex(), {"/opt/ml/model"}, "Vertex AI", 8081, "/models/fraud", ""},
      {{{"AZUREML_MODEL_DIR", "/var/m/1"}}, {"/opt/ml/model"}, "Azure ML", 5001, "/var/m/1", ""},
      {{{"SAGEMAKER_MULTI_MODEL", "true"}},
       {"/opt/ml/models"},
       "SageMaker",
       8080,
       "",
       "/opt/ml/models"},
      {{{"SAGEMAKER_BIND_TO_PORT", "8123"}},
       {"/opt/ml/model"},
       "SageMaker",
       8123,
       "/opt/ml/model",
       ""},
      {{}, {"/mnt/models"}, "KServe", 8080, "/mnt/models", ""}};
  for (const Case& one : cases) {
    const auto container = Of(one.variables, one.folders);
    ASSERT_TRUE(container.ok() && *container) << one.platform;
    EXPECT_EQ((*container)->platform, one.platform);
    EXPECT_EQ((*container)->port, one.port) << one.platform;
    EXPECT_EQ((*container)->model, one.model) << one.platform;
    EXPECT_EQ((*container)->repository, one.repository) << one.platform;
  }
  EXPECT_EQ((*Of(Vertex()))->predict_route, "/v1/endpoints/1/deployedModels/2:predict");
  EXPECT_EQ(*Of({}, {"/models"}), std::nullopt);
}

TEST(ContainerOf, WrongVariables_AreNamed) {
  const std::pair<Variables, std::string> cases[] = {
      {{{"AIP_HTTP_PORT", "0"}}, "AIP_HTTP_PORT is '0'; wanted a port"},
      {{{"AIP_HTTP_PORT", "99999"}}, "AIP_HTTP_PORT is '99999'"},
      {{{"AIP_HTTP_PORT", "8080"}}, "AIP_HEALTH_ROUTE is ''; wanted a path"},
      {Vertex({{"AIP_PREDICT_ROUTE", "/{x}"}}), "AIP_PREDICT_ROUTE is '/{x}'"},
      {Vertex({{"AIP_MODE", "TRAINING"}}), "AIP_MODE is 'TRAINING'; wanted PREDICTION"}};
  for (const auto& [variables, message] : cases) {
    const auto container = Of(variables);
    ASSERT_FALSE(container.ok()) << message;
    EXPECT_THAT(container.error().message, HasSubstr(message));
  }
}

}  // namespace
}  // namespace muster::registry::serve
