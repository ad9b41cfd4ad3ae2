#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <utility>

#include "registry/serve/model_server.h"
#include "registry/serve/open_inference.h"
#include "registry/serve/prometheus.h"
#include "registry/serve/routes.h"

namespace muster::registry::serve {

namespace {

namespace json = boost::json;

json::object Duration(std::uint64_t count, std::uint64_t ns) {
  return {{"count", count}, {"ns", ns}};
}
json::object Duration(const ServingStats::Duration& duration) {
  return Duration(duration.count, duration.ns);
}

/// An element of model_stats (Triton's extension_statistics.md), with all its fields in its order.
json::object StatisticsOf(std::string_view name, std::string_view version,
                          const ServingStats::Snapshot& stats) {
  json::array batches;
  for (const auto& [rows, batch] : stats.batches) {
    batches.push_back(json::object{{"batch_size", rows},
                                   {"compute_input", Duration(batch.count, batch.input_ns)},
                                   {"compute_infer", Duration(batch.count, batch.infer_ns)},
                                   {"compute_output", Duration(batch.count, batch.output_ns)}});
  }
  return {{"name", json::string_view(name.data(), name.size())},
          {"version", json::string_view(version.data(), version.size())},
          {"last_inference", stats.last_inference},
          {"inference_count", stats.rows},
          {"execution_count", stats.executions},
          {"inference_stats", json::object{{"success", Duration(stats.success)},
                                           {"fail", Duration(stats.fail)},
                                           {"queue", Duration(stats.queue)},
                                           {"compute_input", Duration(stats.input)},
                                           {"compute_infer", Duration(stats.infer)},
                                           {"compute_output", Duration(stats.output)},
                                           {"cache_hit", Duration(0, 0)},
                                           {"cache_miss", Duration(0, 0)}}},
          {"response_stats", json::object()},
          {"batch_stats", std::move(batches)},
          {"memory_usage", json::array()}};
}

http::Response Statistics(const std::vector<ServedPtr>& models) {
  json::array all;
  for (const ServedPtr& served : models) {
    all.push_back(StatisticsOf(served->name, served->version, served->stats->Read()));
  }
  return http::Response::Json(json::object{{"model_stats", std::move(all)}});
}

http::Response ModelStatistics(ModelServer& server, const http::Request& request) {
  auto served = FindModel(server, request);
  if (served.ok()) return Statistics({*served});
  return OpenInferenceError(
      Invalid("requested model '" + request.captures.find("model")->second + "' is not available"));
}

http::Response Metrics(ModelServer& server, const http::Request&) {
  PrometheusText text;
  for (const auto& [key, stats] : server.Stats()) {
    const ServedPtr served = server.Find(key.first, key.second);
    const bool queues = served != nullptr && served->batcher != nullptr;
    text.Add(key.first, key.second, stats->Read(), queues ? served->batcher->waiting() : 0);
  }
  return http::Response::Text(std::move(text).Take(), 200, "text/plain; version=0.0.4");
}

}  // namespace

void AddStatisticsRoutes(Routes& routes) {
  routes.Add("GET", "/metrics", Metrics);
  routes.Add("GET", "/v2/models/stats",
             [](ModelServer& server, const http::Request&) { return Statistics(server.All()); });
  routes.Add("GET", "/v2/models/{model}/stats", ModelStatistics);
  routes.Add("GET", "/v2/models/{model}/versions/{version}/stats", ModelStatistics);
}

}  // namespace muster::registry::serve
