#include "runtime/server/pool_routes.h"

#include "runtime/server/coordinator_routes.h"
#include "runtime/wire/codec.h"

namespace muster::server {
namespace {

struct PoolBody {
  boost::json::value spec;
  bool check = true;
};
BOOST_DESCRIBE_STRUCT(PoolBody, (), (spec, check))

struct PoolReason {
  std::string reason;
};
BOOST_DESCRIBE_STRUCT(PoolReason, (), (reason))

/// A pool whose batch system would refuse everything is refused here, in that system's words.
Result<coordinator::Input> ReadPool(const http::Request& request,
                                    const std::function<Status(const wire::PoolSpec&)>& check) {
  MUSTER_ASSIGN_OR_RETURN(const auto body,
                          wire::Decode<PoolBody>(request.body, wire::Unknown::kRefuse));
  MUSTER_ASSIGN_OR_RETURN(auto spec, wire::PoolSpecFromJson(body.spec));
  MUSTER_RETURN_IF_ERROR(wire::CheckPoolSpec(spec));
  if (body.check) MUSTER_RETURN_IF_ERROR(check(spec));
  return coordinator::Input(coordinator::SetPool{std::move(spec)});
}

}  // namespace

void AddPoolRoutes(http::Router& router, LateHost& late,
                   std::function<Status(const wire::PoolSpec&)> check) {
  AddView(
      router, late, "pools",
      [](const coordinator::Coordinator& state, const http::Request&, coordinator::Moment moment) {
        return boost::json::value{{"pools", coordinator::PoolsView(state, moment)}};
      });
  router.AddBlocking(
      "POST", std::string(kBase) + "pools",
      [&late, check = std::move(check)](const http::Request& request, http::Respond respond) {
        auto input = ReadPool(request, check);
        const auto host = late.Get();
        if (!input.ok()) return respond(http::ErrorResponse(input.error()));
        if (!host.ok()) return respond(http::ErrorResponse(host.error()));
        SubmitAndAnswer(**host, std::move(*input), std::move(respond));
      });
  using coordinator::PoolVerb;
  for (const auto& [name, verb] :
       {std::pair("pause", PoolVerb::kPause), std::pair("resume", PoolVerb::kResume),
        std::pair("remove", PoolVerb::kRemove)}) {
    AddCommand(router, late, std::string("pools/{name}/") + name,
               [verb = verb](const http::Request& request) -> Result<coordinator::Input> {
                 PoolReason body;
                 if (!request.body.empty()) {
                   MUSTER_ASSIGN_OR_RETURN(
                       body, wire::Decode<PoolReason>(request.body, wire::Unknown::kRefuse));
                 }
                 return coordinator::Input(coordinator::ChangePool{
                     request.captures.find("name")->second, verb, std::move(body.reason)});
               });
  }
}

}  // namespace muster::server
