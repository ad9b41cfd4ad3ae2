#include "runtime/server/search_routes.h"

#include "runtime/coordinator/verify_search.h"
#include "runtime/journal/sqlite_journal.h"
#include "runtime/wire/codec.h"

namespace muster::server {
namespace {

using http::Request;
using http::Respond;
using http::Response;

/// Over a connection of its own: the coordinator goes on writing meanwhile.
Result<boost::json::value> Verify(const std::filesystem::path& file, const SweepId& sweep) {
  MUSTER_ASSIGN_OR_RETURN(const auto journal, journal::SqliteJournal::Open(file));
  coordinator::SearchVerifier verifier(sweep);
  MUSTER_RETURN_IF_ERROR(
      journal->Replay([&](const coordinator::Event& event) { verifier.Read(event); }));
  MUSTER_ASSIGN_OR_RETURN(const auto verification, verifier.Finish());
  return coordinator::ToJson(verification);
}

}  // namespace

void AddSearchRoutes(http::Router& router, const std::filesystem::path& journal,
                     StudyService& studies) {
  router.Add("GET", "/api/muster/v1/studies", http::Sync([&studies](const Request&) {
               return Response::Json(boost::json::object{{"studies", studies.List()}});
             }));
  // Blocking, for a search may think for a while.
  router.AddBlocking("POST", "/api/muster/v1/studies/{study}",
                     [&studies](const Request& request, Respond respond) {
                       const auto body = wire::ParseJson(request.body);
                       if (!body.ok()) return respond(http::ErrorResponse(body.error()));
                       studies.Answer(request.captures.find("study")->second, *body,
                                      [respond = std::move(respond)](const auto& answer) {
                                        respond(answer.ok() ? Response::Json(*answer)
                                                            : http::ErrorResponse(answer.error()));
                                      });
                     });
  router.AddBlocking(
      "GET", "/api/muster/v1/sweeps/{id}/verify",
      [journal](const Request& request, Respond respond) {
        const SweepId sweep(request.captures.find("id")->second);
        const auto verified = Verify(journal, sweep);
        respond(verified.ok() ? Response::Json(*verified) : http::ErrorResponse(verified.error()));
      });
}

}  // namespace muster::server
