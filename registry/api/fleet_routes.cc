#include "registry/api/fleet_routes.h"

#include <algorithm>
#include <boost/describe.hpp>
#include <boost/json/object.hpp>
#include <mutex>

#include "registry/fleet/manifest.h"
#include "runtime/base/sha256.h"
#include "runtime/wire/codec.h"

namespace muster::registry {
namespace {

using http::Request;
using http::Response;

struct PublishBody {
  std::string envelope, reason, actor = "local";
};
BOOST_DESCRIBE_STRUCT(PublishBody, (), (envelope, reason, actor))

/// Empty: nothing was published.
Result<std::string> Published(ModelStore& store, const std::string& name) {
  MUSTER_ASSIGN_OR_RETURN(const auto model, store.GetModel(name));
  const auto tag = std::ranges::find(model.tags, kFleetTag, &Tag::key);
  return tag == model.tags.end() ? "" : tag->value;
}

Response Get(ModelStore& store, const Request& request) {
  const std::string& name = request.captures.at("name");
  auto envelope = Published(store, name);
  if (envelope.ok() && envelope->empty()) {
    envelope = NotFound("nothing of " + name + " is published to a fleet; muster fleet publish");
  }
  if (!envelope.ok()) return http::ErrorResponse(envelope.error());
  const std::string tag = "\"" + Sha256Hex(*envelope).substr(0, 32) + "\"";
  Response response = Response::Text(*envelope, 200, "application/json");
  response.headers["ETag"] = tag;
  response.headers["Cache-Control"] = "no-cache";
  const std::string_view known = request.Header("If-None-Match");
  if (known == "*" || known.find(tag) != std::string_view::npos) {
    response.status = 304;
    response.body.clear();
  }
  return response;
}

class Publisher {
 public:
  Publisher(ModelStore& store, SignatureCheck check) : store_(store), check_(std::move(check)) {}

  Result<boost::json::object> Publish(const Request& request) {
    const std::string& name = request.captures.at("name");
    MUSTER_ASSIGN_OR_RETURN(const auto body,
                            wire::Decode<PublishBody>(request.body, wire::Unknown::kRefuse));
    MUSTER_ASSIGN_OR_RETURN(const FleetManifest next, Judge(body.envelope));
    if (next.model != name) return Invalid("the manifest is of " + next.model + ", not " + name);
    const std::lock_guard lock(mutex_);
    MUSTER_ASSIGN_OR_RETURN(const std::string published, Published(store_, name));
    std::int64_t sequence = 0;
    if (!published.empty()) {
      MUSTER_ASSIGN_OR_RETURN(const FleetManifest current, Judge(published));
      sequence = current.sequence;
    }
    if (next.sequence != sequence + 1) {
      return Conflict("the fleet of " + name + " is at sequence " + std::to_string(sequence) +
                      ", the manifest's is " + std::to_string(next.sequence) +
                      "; somebody else has published, look again");
    }
    MUSTER_RETURN_IF_ERROR(
        store_.SetTag(name, 0, kFleetTag, body.envelope, {body.actor, body.reason}));
    return boost::json::object{{"model", name}, {"sequence", next.sequence}};
  }

 private:
  Result<FleetManifest> Judge(const std::string& envelope) {
    MUSTER_ASSIGN_OR_RETURN(const FleetSigned parts, ParseFleetEnvelope(envelope));
    MUSTER_RETURN_IF_ERROR(check_(FleetSignedBytes(parts.payload), parts.signature));
    return FleetManifestFromJson(parts.payload);
  }

  ModelStore& store_;
  const SignatureCheck check_;
  std::mutex mutex_;  ///< from reading the sequence to writing the next
};

}  // namespace

void AddFleetRoutes(http::Router& router, ModelStore& store, SignatureCheck check) {
  constexpr std::string_view kPath = "/api/muster/v1/fleet/{name}";
  router.Add("GET", kPath,
             http::Sync([&store](const Request& request) { return Get(store, request); }));
  auto publisher = std::make_shared<Publisher>(store, std::move(check));
  router.AddBlocking("POST", kPath, http::Sync([publisher](const Request& request) {
                       const auto answer = publisher->Publish(request);
                       if (answer.ok()) return Response::Json(*answer);
                       Error error = answer.error();
                       if (error.kind == ErrorKind::kCorrupt) error.kind = ErrorKind::kInvalid;
                       return http::ErrorResponse(error);
                     }));
}

}  // namespace muster::registry
