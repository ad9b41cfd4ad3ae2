#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "runtime/coordinator/views.h"
#include "runtime/server/coordinator_host.h"
#include "runtime/server/sweep_routes.h"
#include "runtime/wire/http.h"

/// What the routes that ask and tell the coordinator share; for .cc files of this folder.

namespace muster::server {

inline constexpr std::string_view kBase = "/api/muster/v1/";

inline http::Response Answer(const Result<boost::json::value>& answer) {
  return answer.ok() ? http::Response::Json(*answer) : http::ErrorResponse(answer.error());
}

/// Adds a route that shows `view` of the state.
template <typename View>
void AddView(http::Router& router, LateHost& late, std::string_view path, View view) {
  router.Add(
      "GET", std::string(kBase) + std::string(path),
      http::Sync([&late, view](const http::Request& request) {
        const auto host = late.Get();
        if (!host.ok()) return http::ErrorResponse(host.error());
        return Answer((*host)->Ask([&](const coordinator::Coordinator& state, MonotonicTime now,
                                       UnixMillis unix_now) -> Result<boost::json::value> {
          return view(state, request, coordinator::Moment{now, unix_now});
        }));
      }));
}

inline void SubmitAndAnswer(CoordinatorHost& host, coordinator::Input input,
                            http::Respond respond) {
  host.Submit(
      std::move(input), [respond = std::move(respond)](const Result<boost::json::object>& reply) {
        respond(reply.ok() ? http::Response::Json(*reply) : http::ErrorResponse(reply.error()));
      });
}

/// Adds a route that submits `input` and answers its reply when it is durable.
template <typename MakeInput>
void AddCommand(http::Router& router, LateHost& late, std::string_view path,
                const MakeInput& make_input) {
  router.Add("POST", std::string(kBase) + std::string(path),
             [&late, make_input](const http::Request& request, http::Respond respond) {
               Result<coordinator::Input> input = make_input(request);
               if (!input.ok()) return respond(http::ErrorResponse(input.error()));
               const auto host = late.Get();
               if (!host.ok()) return respond(http::ErrorResponse(host.error()));
               SubmitAndAnswer(**host, std::move(input).value(), std::move(respond));
             });
}

}  // namespace muster::server
