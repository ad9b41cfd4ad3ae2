#pragma once

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <functional>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "tracker/mlflow/fields.h"
#include "tracker/mlflow/json_writer.h"
#include "tracker/mlflow/routes.h"

/// What the handlers of this folder have in common: one call with its fields, its services and its answer.

namespace muster::tracker {

struct Services {
  RunStore& runs;
  ArtifactStore& artifacts;
  registry::ModelStore& models;
  MlflowOptions options;
};

/// {"error_code": "RESOURCE_DOES_NOT_EXIST", "message": ...} with MLflow's status.
http::Response MlflowError(const Error& error);
/// 404 of a path that MLflow has and muster has not.
http::Response EndpointNotFound(std::string_view message);

/// Sends the answer of one call, once; may be copied into callbacks.
class Reply {
 public:
  explicit Reply(http::Respond respond) : respond_(std::move(respond)) {}

  void operator()(const Error& error) const { respond_(MlflowError(error)); }
  void operator()(Result<boost::json::object> answer) const;
  void operator()(Result<JsonText> answer) const;
  /// A callback for a write that answers {}.
  [[nodiscard]] Done WhenDone() const;
  /// A callback for a write that answers what `encode` makes of its result.
  template <typename T, typename Encode>
  std::function<void(Result<T>)> When(Encode encode) const {
    return [reply = *this, encode](Result<T> result) {
      if (!result) return reply(result.error());
      reply(encode(*result));
    };
  }

 private:
  http::Respond respond_;
};

struct Call {
  const http::Request& request;
  const Services& services;
  Fields fields;
  Reply reply;
};

/// Answers later, through call.reply, or at once with the error that it returns.
using Handle = Status (*)(Call&);
/// Answers at once, and may wait for the disk before.
using HandleNow = Result<boost::json::object> (*)(Call&);
/// The same, for large answers.
using HandleText = Result<JsonText> (*)(Call&);

struct Route {
  std::string_view method;
  std::string_view path;  ///< below /api/2.0/mlflow and /ajax-api/2.0/mlflow
  Handle later = nullptr;
  HandleNow now = nullptr;
  HandleText text = nullptr;
  bool ajax_only = false;
  bool path_only = false;  ///< whatever else the request says is not looked at, as in MLflow
};

/// The tables of routes, one a file.
const std::vector<Route>& ExperimentRoutes();
const std::vector<Route>& RunRoutes();
const std::vector<Route>& BulkRoutes();
const std::vector<Route>& LoggedModelRoutes();
const std::vector<Route>& RegistryRoutes();
const std::vector<Route>& ArtifactRoutes();
/// Need a store of web hooks.
const std::vector<Route>& WebhookRoutes();
/// The artifact proxy and its transfers in parts; not tables, their bodies are files.
void AddArtifactRoutes(http::Router& router, const std::shared_ptr<const Services>& services);
void AddMultipartRoutes(http::Router& router, const std::shared_ptr<const Services>& services);

/// May this request write to the run? Answers the attempt that does.
Result<AttemptEpoch> Fence(const Services& services, const http::Request& request,
                           const RunId& run_id);

/// Tags and params; log-batch alone asks for their keys.
enum class Keys { kRequired, kOptional };
std::vector<Tag> TagsOf(Fields& fields, std::string_view name, Keys keys = Keys::kOptional);
/// ACTIVE_ONLY when absent or unknown.
ViewType ViewTypeOf(Fields& fields, std::string_view name);
/// filter, max_results, order_by and page_token; `most` results may be asked for.
SearchQuery SearchOf(Fields& fields, std::int64_t default_max_results, std::int64_t most);

}  // namespace muster::tracker
