#include "registry/serve/container.h"

#include <charconv>
#include <utility>

namespace muster::registry::serve {

namespace {

Result<std::uint16_t> PortOf(const Environment& environment, std::string_view name,
                             std::uint16_t otherwise) {
  const auto text = environment(name);
  if (!text || text->empty()) return otherwise;
  std::uint16_t port = 0;
  const char* const end = text->data() + text->size();
  const auto read = std::from_chars(text->data(), end, port);
  if (read.ec == std::errc() && read.ptr == end && port > 0) return port;
  return Invalid(std::string(name) + " is '" + *text + "'; wanted a port");
}

Result<std::string> RouteOf(const Environment& environment, std::string_view name) {
  const std::string route = environment(name).value_or("");
  if (route.starts_with('/') && route.find_first_of("{}?# ") == std::string::npos) return route;
  return Invalid(std::string(name) + " is '" + route + "'; wanted a path, as /predict");
}

Result<Container> VertexAi(const Environment& environment) {
  Container container{.platform = "Vertex AI"};
  MUSTER_ASSIGN_OR_RETURN(container.port, PortOf(environment, "AIP_HTTP_PORT", container.port));
  MUSTER_ASSIGN_OR_RETURN(container.health_route, RouteOf(environment, "AIP_HEALTH_ROUTE"));
  MUSTER_ASSIGN_OR_RETURN(container.predict_route, RouteOf(environment, "AIP_PREDICT_ROUTE"));
  const auto mode = environment("AIP_MODE");
  if (mode && *mode != "PREDICTION") {
    return Invalid("AIP_MODE is '" + *mode + "'; wanted PREDICTION");
  }
  container.model = environment("AIP_STORAGE_URI").value_or("");
  return container;
}

}  // namespace

Result<std::optional<Container>> ContainerOf(const Environment& environment,
                                             const IsDirectory& is_directory) {
  if (environment("AIP_HTTP_PORT")) {
    MUSTER_ASSIGN_OR_RETURN(Container vertex, VertexAi(environment));
    return std::optional(std::move(vertex));
  }
  if (const auto folder = environment("AZUREML_MODEL_DIR"); folder && !folder->empty()) {
    return std::optional(Container{.platform = "Azure ML", .port = 5001, .model = *folder});
  }
  Container container{.platform = "SageMaker"};
  MUSTER_ASSIGN_OR_RETURN(container.port,
                          PortOf(environment, "SAGEMAKER_BIND_TO_PORT", container.port));
  if (environment("SAGEMAKER_MULTI_MODEL").value_or("") == "true") {
    container.repository = "/opt/ml/models";
    return std::optional(container);
  }
  if (is_directory("/opt/ml/model")) {
    container.model = "/opt/ml/model";
    return std::optional(container);
  }
  if (is_directory("/mnt/models")) {
    return std::optional(Container{.platform = "KServe", .model = "/mnt/models"});
  }
  return std::optional<Container>();
}

}  // namespace muster::registry::serve
