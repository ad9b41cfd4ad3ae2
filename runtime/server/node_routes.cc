#include "runtime/server/node_routes.h"

#include "runtime/wire/codec.h"
#include "runtime/wire/messages.h"

namespace muster::server {
namespace {

using http::Request;
using http::Response;

constexpr std::string_view kBase = "/api/muster/v1/";

struct KeyBody {
  std::string public_key;
};
BOOST_DESCRIBE_STRUCT(KeyBody, (), (public_key))
struct WireAnswer {
  std::string endpoint, server_public_key;
  bool any_host = false;
  std::vector<int> majors;
};
BOOST_DESCRIBE_STRUCT(WireAnswer, (), (endpoint, server_public_key, any_host, majors))
struct KeyEntry {
  NodeId node;
  std::string public_key, role;
  std::int64_t added_ms = 0;
  bool seen = false;
};
BOOST_DESCRIBE_STRUCT(KeyEntry, (), (node, public_key, role, added_ms, seen))

NodeId NodeOf(const Request& request) { return NodeId(request.captures.find("id")->second); }

Response Answer(const Result<wire::Json>& answer) {
  return answer.ok() ? Response::Json(*answer) : http::ErrorResponse(answer.error());
}

using AddKey = Status (net::NodeKeys::*)(const NodeId&, const std::string&, std::int64_t);

Result<wire::Json> Add(net::NodeKeys& keys, AddKey add, const Request& request,
                       const Clock& clock) {
  MUSTER_ASSIGN_OR_RETURN(const auto body,
                          wire::Decode<KeyBody>(request.body, wire::Unknown::kRefuse));
  const NodeId node = NodeOf(request);
  MUSTER_RETURN_IF_ERROR((keys.*add)(node, body.public_key, clock.UnixNow()));
  return wire::Json{{"node", node.value}};
}

wire::Json ListKeys(const net::NodeKeys& keys) {
  std::vector<KeyEntry> entries;
  for (const auto& [key, allowed] : keys.List()) {
    entries.push_back({allowed.node, key, std::string(net::RoleName(allowed.role)),
                       allowed.added_ms, allowed.seen});
  }
  return boost::json::object{{"keys", wire::ToJson(entries)}};
}

}  // namespace

void AddNodeRoutes(http::Router& router, net::NodeKeys& keys, const Clock& clock,
                   const std::function<Result<WireAddress>()>& address) {
  const auto path = [](std::string_view tail) { return std::string(kBase) + std::string(tail); };
  // Blocking: a change waits for the disk.
  for (const auto& [verb, add] : {std::pair("invite", AddKey(&net::NodeKeys::Invite)),
                                  std::pair("rotate", AddKey(&net::NodeKeys::Rotate))}) {
    router.AddBlocking("POST", path(std::string("nodes/{id}/") + verb),
                       http::Sync([&keys, &clock, add = add](const Request& request) {
                         return Answer(Add(keys, add, request, clock));
                       }));
  }
  router.AddBlocking("POST", path("nodes/{id}/revoke"), http::Sync([&keys](const Request& request) {
                       const NodeId node = NodeOf(request);
                       const auto gone = keys.Revoke(node);
                       if (!gone.ok()) return http::ErrorResponse(gone.error());
                       return Response::Json({{"node", node.value}, {"keys", *gone}});
                     }));
  router.Add("GET", path("node-keys"),
             http::Sync([&keys](const Request&) { return Response::Json(ListKeys(keys)); }));
  router.Add(
      "GET", path("wire"), http::Sync([address](const Request&) {
        const auto now = address();
        if (!now.ok()) return http::ErrorResponse(now.error());
        return Response::Json(wire::ToJson(WireAnswer{now->endpoint,
                                                      now->server_public_key,
                                                      now->any_host,
                                                      {wire::kOldestMajor, wire::kMajorVersion}}));
      }));
}

}  // namespace muster::server
