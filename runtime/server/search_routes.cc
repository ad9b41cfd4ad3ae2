#include "runtime/server/search_routes.h"

#include <sstream>

#include "runtime/coordinator/search_spec.h"
#include "runtime/coordinator/verify_search.h"
#include "runtime/journal/sqlite_journal.h"
#include "runtime/wire/codec.h"
#include "tuner/ask_tell_insight.h"

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

/// The query as the fields of a verb.
Result<boost::json::object> FieldsOf(const Request& request) {
  boost::json::object fields;
  if (const auto method = request.Parameter("method")) fields["method"] = *method;
  if (const auto objective = request.Parameter("objective")) {
    MUSTER_ASSIGN_OR_RETURN(fields["objective"], wire::ParseJson(*objective));
  }
  if (const auto names = request.Parameter("params")) {
    boost::json::array params;
    std::istringstream words(*names);
    for (std::string word; std::getline(words, word, ',');) params.emplace_back(word);
    fields["params"] = std::move(params);
  }
  return fields;
}

/// When each trial ended, since the sweep was submitted; of one that has not, 0.
std::vector<double> SecondsOf(const coordinator::Sweep& sweep) {
  std::vector<double> seconds;
  for (const coordinator::Trial& trial : sweep.trials) {
    const auto ms = std::max<std::int64_t>(trial.ended_ms - sweep.created_ms, 0);
    seconds.push_back(static_cast<double>(ms) / 1000);
  }
  return seconds;
}

/// On a copy of the history: a forest takes a while, and the coordinator goes on.
Result<boost::json::object> LookBack(LateHost& late, std::string_view verb,
                                     const Request& request) {
  MUSTER_ASSIGN_OR_RETURN(const auto fields, FieldsOf(request));
  MUSTER_ASSIGN_OR_RETURN(CoordinatorHost * host, late.Get());
  const SweepId id(request.captures.find("id")->second);
  tuner::SearchSpec spec;
  tuner::History history;
  std::vector<std::string> metrics;
  std::vector<double> seconds;
  const auto copied = host->Ask([&](const coordinator::Coordinator& state, MonotonicTime,
                                    UnixMillis) -> Result<boost::json::value> {
    const auto* sweep = state.state().FindSweep(id);
    if (sweep == nullptr) return NotFound("there is no sweep '" + id.value + "'");
    MUSTER_ASSIGN_OR_RETURN(spec, coordinator::SearchSpecOf(sweep->spec));
    history = sweep->history;
    metrics = {sweep->spec.objective.metric};
    for (const auto& objective : sweep->spec.more_objectives) metrics.push_back(objective.metric);
    seconds = SecondsOf(*sweep);
    return boost::json::value(nullptr);
  });
  if (!copied.ok()) return copied.error();
  return tuner::LookBack({spec, history, std::move(metrics), std::move(seconds)}, verb, fields);
}

}  // namespace

void AddSearchRoutes(http::Router& router, LateHost& late, const std::filesystem::path& journal,
                     StudyService& studies) {
  for (const char* verb : {"importance", "dependence", "best", "front", "export"}) {
    router.AddBlocking(
        "GET", std::string("/api/muster/v1/sweeps/{id}/") + verb,
        [&late, verb](const Request& request, const Respond& respond) {
          const auto answer = LookBack(late, verb, request);
          respond(answer.ok() ? Response::Json(*answer) : http::ErrorResponse(answer.error()));
        });
  }
  router.Add("GET", "/api/muster/v1/studies", http::Sync([&studies](const Request&) {
               return Response::Json(boost::json::object{{"studies", studies.List()}});
             }));
  // Blocking, for a search may think for a while.
  router.AddBlocking("POST", "/api/muster/v1/studies/{study}",
                     [&studies](const Request& request, Respond respond) {
                       const auto body = wire::ParseJson(request.body);
                       if (!body.ok()) return respond(http::ErrorResponse(body.error()));
                       studies.Answer(
                           request.captures.find("study")->second, *body,
                           [respond = std::move(respond)](const auto& answer) {
                             respond(answer.ok() ? Response::Text(*answer, 200, "application/json")
                                                 : http::ErrorResponse(answer.error()));
                           });
                     });
  router.AddBlocking(
      "GET", "/api/muster/v1/sweeps/{id}/verify",
      [journal](const Request& request, const Respond& respond) {
        const SweepId sweep(request.captures.find("id")->second);
        const auto verified = Verify(journal, sweep);
        respond(verified.ok() ? Response::Json(*verified) : http::ErrorResponse(verified.error()));
      });
}

}  // namespace muster::server
