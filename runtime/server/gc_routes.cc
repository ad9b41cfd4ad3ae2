#include "runtime/server/gc_routes.h"

#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <charconv>

namespace muster::server {
namespace {

using http::Request;
using http::Response;

Response Answer(const Result<GcState>& state) {
  if (!state.ok()) return http::ErrorResponse(state.error());
  boost::json::object answer{
      {"id", state->id},
      {"running", state->running},
      {"report", boost::json::parse(tracker::EncodeGcReport(state->report))}};
  if (state->error) {
    answer["error"] = {{"code", ErrorKindName(state->error->kind)},
                       {"message", state->error->message}};
  }
  return Response::Json(answer);
}

Result<GcState> Begin(GcWorker& worker, const Request& request) {
  MUSTER_ASSIGN_OR_RETURN(auto policy,
                          tracker::DecodeGcPolicy(request.body.empty() ? "{}" : request.body));
  return worker.Begin(std::move(policy));
}

Result<GcState> Get(const GcWorker& worker, const Request& request) {
  const std::string& text = request.captures.find("id")->second;
  std::int64_t id = 0;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), id);
  if (error != std::errc() || stop != text.data() + text.size()) {
    return Invalid("id is '" + text + "'; wanted a number");
  }
  return worker.Get(id);
}

}  // namespace

void AddGcRoutes(http::Router& router, GcWorker& worker) {
  const std::string path = "/api/muster/v1/tracker/gc";
  router.Add("POST", path, http::Sync([&worker](const Request& request) {
               return Answer(Begin(worker, request));
             }));
  router.Add("GET", path,
             http::Sync([&worker](const Request&) { return Answer(worker.Newest()); }));
  router.Add("GET", path + "/{id}", http::Sync([&worker](const Request& request) {
               return Answer(Get(worker, request));
             }));
}

}  // namespace muster::server
