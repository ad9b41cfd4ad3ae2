#include "registry/api/gate_routes.h"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include "registry/gates.h"
#include "runtime/wire/codec.h"

namespace muster::registry {
namespace {

struct GateFileBody {
  std::string text, file = "gates.yaml", reason, actor = "local";
};
BOOST_DESCRIBE_STRUCT(GateFileBody, (), (text, file, reason, actor))

boost::json::object Shown(const GateFile& file) {
  return {{"text", file.text},
          {"from_ms", file.from_ms},
          {"actor", file.actor},
          {"reason", file.reason}};
}

Result<boost::json::object> Answer(ModelStore& store, const std::string& name) {
  MUSTER_ASSIGN_OR_RETURN(const auto files, store.GateFiles(name));
  boost::json::object answer = Shown(files.empty() ? GateFile{} : files.front());
  boost::json::array gates, history;
  if (!files.empty()) {
    MUSTER_ASSIGN_OR_RETURN(const auto json, wire::ParseJson(files.front().gates_json));
    MUSTER_ASSIGN_OR_RETURN(const auto specs, wire::GateSpecsFromJson(json));
    for (std::size_t i = 0; i < specs.size(); ++i) {
      boost::json::object gate = json.get_array()[i].get_object();
      gate["name"] = GateName(specs[i]);
      gates.push_back(std::move(gate));
    }
  }
  for (const GateFile& file : files) history.push_back(Shown(file));
  answer["gates"] = std::move(gates);
  answer["history"] = std::move(history);
  return answer;
}

Result<boost::json::object> Set(ModelStore& store, const GateFileParser& parse,
                                const std::string& name, std::string_view body_text) {
  MUSTER_ASSIGN_OR_RETURN(const auto body,
                          wire::Decode<GateFileBody>(body_text, wire::Unknown::kRefuse));
  std::vector<wire::GateSpec> gates;
  if (!body.text.empty()) {
    MUSTER_ASSIGN_OR_RETURN(gates, parse(body.text, body.file));
  }
  const Actor actor{body.actor, body.reason};
  // A model's gates may stand before its first candidate.
  if (const auto made = store.CreateModel(name, "", {}, actor);
      !made.ok() && made.error().kind != ErrorKind::kAlreadyExists) {
    return made.error();
  }
  MUSTER_RETURN_IF_ERROR(
      store.SetGateFile(name, body.text, wire::SerializeJson(wire::ToJson(gates)), actor));
  return Answer(store, name);
}

http::Response ResponseOf(const Result<boost::json::object>& result) {
  return result.ok() ? http::Response::Json(*result) : http::ErrorResponse(result.error());
}

}  // namespace

void AddGateRoutes(http::Router& router, ModelStore& store, GateFileParser parse) {
  constexpr std::string_view kPath = "/api/muster/v1/models/{name}/gates";
  router.Add("GET", kPath, http::Sync([&store](const http::Request& request) {
               return ResponseOf(Answer(store, request.captures.at("name")));
             }));
  router.Add("POST", kPath,
             http::Sync([&store, parse = std::move(parse)](const http::Request& request) {
               return ResponseOf(Set(store, parse, request.captures.at("name"), request.body));
             }));
}

}  // namespace muster::registry
