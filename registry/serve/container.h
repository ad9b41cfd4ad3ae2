#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "runtime/base/result.h"

/// What platforms that run containers ask of the one that serves a model. Pure.

namespace muster::registry::serve {

struct Container {
  std::string platform;  ///< "Vertex AI", "SageMaker", "Azure ML", "KServe"
  std::uint16_t port = 8080;
  std::filesystem::path model;  ///< a folder for DirectorySource; empty where there are many
  std::filesystem::path
      repository;  ///< of SageMaker's multi-model endpoints, which load what they want
  std::string health_route, predict_route;  ///< Vertex AI's; empty elsewhere
  friend bool operator==(const Container&, const Container&) = default;
};

/// The value of an environment variable.
using Environment = std::function<std::optional<std::string>(std::string_view name)>;
using IsDirectory = std::function<bool(const std::filesystem::path&)>;

/// The platform that this process runs on, by the first of these that is there; nothing when none is:
///
///   AIP_HTTP_PORT     Vertex AI: AIP_HEALTH_ROUTE, AIP_PREDICT_ROUTE, AIP_STORAGE_URI, a folder; AIP_MODE=PREDICTION
///                     cloud.google.com/vertex-ai/docs/predictions/custom-container-requirements
///   AZUREML_MODEL_DIR Azure ML, port 5001
///                     learn.microsoft.com/azure/machine-learning/how-to-deploy-custom-container
///   SAGEMAKER_MULTI_MODEL=true  SageMaker, many models: /opt/ml/models; SAGEMAKER_BIND_TO_PORT
///   /opt/ml/model     SageMaker; docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-inference-code.html
///   /mnt/models       KServe
///
/// kInvalid names a variable, its value and what is wanted. Vertex AI's folder may be one of gs://, as the variable has it.
Result<std::optional<Container>> ContainerOf(const Environment& environment,
                                             const IsDirectory& is_directory);

}  // namespace muster::registry::serve
