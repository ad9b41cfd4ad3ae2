#include "runtime/server/sweep_routes.h"

#include <charconv>
#include <fstream>

#include "cluster/local/spawn.h"
#include "runtime/coordinator/views.h"
#include "runtime/server/coordinator_routes.h"
#include "runtime/wire/codec.h"
#include "runtime/wire/error_path.h"

namespace muster::server {
namespace {

using coordinator::Coordinator;
using coordinator::Moment;
using http::Request;
using http::Respond;
using http::Response;

constexpr std::size_t kMostLogBytes = 256 << 10;
constexpr std::size_t kLongestReason = 1'000;
SweepId SweepOf(const Request& request) { return SweepId(request.captures.find("id")->second); }
TrialId TrialOf(const Request& request) {
  return TrialId(request.captures.find("id")->second + "/" +
                 request.captures.find("number")->second);
}

struct SubmitBody {
  std::string id;
  boost::json::value spec;
  std::string user;
};
BOOST_DESCRIBE_STRUCT(SubmitBody, (), (id, spec, user))

struct SpaceBody {
  boost::json::object space;
  std::vector<std::string> constraints;
};
BOOST_DESCRIBE_STRUCT(SpaceBody, (), (space, constraints))

struct EnqueueBody {
  boost::json::object params;
};
BOOST_DESCRIBE_STRUCT(EnqueueBody, (), (params))

struct QuotaBody {
  std::string user;
  std::map<std::string, std::int64_t> most;
};
BOOST_DESCRIBE_STRUCT(QuotaBody, (), (user, most))

Result<coordinator::SubmitSweep> ReadSubmit(const Request& request) {
  MUSTER_ASSIGN_OR_RETURN(auto body,
                          wire::Decode<SubmitBody>(request.body, wire::Unknown::kRefuse));
  MUSTER_ASSIGN_OR_RETURN(auto spec, wire::SweepSpecFromJson(body.spec));
  return coordinator::SubmitSweep{std::move(spec), SweepId(std::move(body.id)),
                                  std::move(body.user)};
}

/// A trial that ships runs from the server's own folder, and is exported from there: what the server does
/// not find, no node will run. A command may be a node's own; its node answers for it.
Status FindTrialProgram(const wire::SweepSpec& spec, const std::filesystem::path& bin_dir) {
  if (spec.trial.program.empty()) return Ok();
  const auto found = cluster::local::FindProgram(spec.trial.program, bin_dir, {},
                                                 cluster::local::CleanEnvironment());
  return found.ok() ? Ok() : Status(Invalid("at trial.program: " + found.error().message));
}

/// `retrain` in a sweep file: the same sweep again when it says so, under the sweep's name.
registry::Trigger TriggerOf(const wire::SweepSpec& spec) {
  wire::SweepSpec again = spec;
  again.retrain.reset();
  return {.name = spec.name,
          .sweep_json = wire::SerializeJson(wire::ToJson(again)),
          .when = *spec.retrain};
}

/// Of a sweep with `retrain`: the trigger is stored once the sweep is accepted, so that a sweep that is
/// refused leaves none. Waits for both.
Result<boost::json::object> SubmitWithTrigger(CoordinatorHost& host,
                                              registry::TriggerService& triggers,
                                              coordinator::SubmitSweep submit) {
  const registry::Trigger trigger = TriggerOf(submit.spec);
  const auto now = SystemClock().UnixNow() / 1000;
  const Status fits = triggers.Check(trigger, now);
  if (!fits.ok()) return wire::Under("retrain", fits.error());
  MUSTER_ASSIGN_OR_RETURN(auto reply, host.SubmitAndWait(std::move(submit)));
  const Status added = triggers.Add(trigger, now);
  if (!added.ok()) return added.error().With("the sweep was accepted, its trigger was not stored");
  return reply;
}

std::int64_t NumberOr(const Request& request, std::string_view name, std::int64_t otherwise) {
  const auto text = request.Parameter(name);
  std::int64_t number = otherwise;
  if (text) std::from_chars(text->data(), text->data() + text->size(), number);
  return number;
}

/// The newest attempt, unless the request names one. kNotFound for a trial that is not there: beyond here
/// its id is a path.
Result<AttemptEpoch> EpochOf(CoordinatorHost& host, const Request& request) {
  std::int64_t newest = 0;
  auto asked = host.Ask(
      [&](const Coordinator& state, MonotonicTime, UnixMillis) -> Result<boost::json::value> {
        const auto* trial = state.state().FindTrial(TrialOf(request));
        if (trial == nullptr) return NotFound("there is no trial " + TrialOf(request).value);
        if (!trial->attempts.empty()) newest = trial->attempts.back().value;
        return boost::json::value(nullptr);
      });
  if (!asked.ok()) return asked.error();
  return AttemptEpoch(NumberOr(request, "epoch", newest));
}

Response Logs(CoordinatorHost& host, const Request& request) {
  const auto epoch = EpochOf(host, request);
  if (!epoch.ok()) return http::ErrorResponse(epoch.error());
  const std::string stream = request.Parameter("stream").value_or("out");
  if (stream != "out" && stream != "err") {
    return http::ErrorResponse(Invalid("stream '" + stream + "'; wanted one of out, err"));
  }
  const std::string log = std::to_string(NumberOr(request, "rank", 0)) + "." + stream;
  std::ifstream file(host.LogFile(TrialOf(request), *epoch, log), std::ios::binary);
  std::string bytes;
  if (file) {
    file.seekg(NumberOr(request, "offset", 0));
    bytes.resize(kMostLogBytes);
    file.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    bytes.resize(static_cast<std::size_t>(std::max<std::streamsize>(0, file.gcount())));
  }
  return Response::Text(std::move(bytes), 200, "application/octet-stream");
}

void AddSweepVerbs(http::Router& router, LateHost& late) {
  using coordinator::SweepVerb;
  for (const auto& [name, verb] :
       {std::pair("pause", SweepVerb::kPause), std::pair("resume", SweepVerb::kResume),
        std::pair("cancel", SweepVerb::kCancel)}) {
    AddCommand(
        router, late, std::string("sweeps/{id}/") + name, [verb = verb](const Request& request) {
          return Result<coordinator::Input>(coordinator::ChangeSweep{SweepOf(request), verb});
        });
  }
  AddCommand(router, late, "sweeps/{id}/trials/{number}/stop", [](const Request& request) {
    return Result<coordinator::Input>(coordinator::StopTrial{TrialOf(request)});
  });
  AddCommand(router, late, "sweeps/{id}/space",
             [](const Request& request) -> Result<coordinator::Input> {
               MUSTER_ASSIGN_OR_RETURN(
                   auto body, wire::Decode<SpaceBody>(request.body, wire::Unknown::kRefuse));
               return coordinator::Input(coordinator::WidenSpace{
                   SweepOf(request), std::move(body.space), std::move(body.constraints)});
             });
  AddCommand(router, late, "sweeps/{id}/enqueue",
             [](const Request& request) -> Result<coordinator::Input> {
               MUSTER_ASSIGN_OR_RETURN(
                   auto body, wire::Decode<EnqueueBody>(request.body, wire::Unknown::kRefuse));
               return coordinator::Input(
                   coordinator::EnqueueTrial{SweepOf(request), std::move(body.params)});
             });
  AddCommand(router, late, "sweeps/{id}/trials/{number}/retry", [](const Request& request) {
    return Result<coordinator::Input>(coordinator::RetryTrial{TrialOf(request)});
  });
}

struct ReasonBody {
  std::string reason;
};
BOOST_DESCRIBE_STRUCT(ReasonBody, (), (reason))

Result<coordinator::Input> ReadChangeNode(const Request& request, coordinator::NodeVerb verb) {
  ReasonBody body;
  if (!request.body.empty()) {
    MUSTER_ASSIGN_OR_RETURN(body, wire::Decode<ReasonBody>(request.body, wire::Unknown::kRefuse));
  }
  if (body.reason.size() > kLongestReason) {
    return Invalid("at reason: wanted at most " + std::to_string(kLongestReason) + " bytes, got " +
                   std::to_string(body.reason.size()));
  }
  return coordinator::Input(coordinator::ChangeNode{NodeId(request.captures.find("id")->second),
                                                    verb, std::move(body.reason)});
}

void AddNodeVerbs(http::Router& router, LateHost& late) {
  using coordinator::NodeVerb;
  for (const auto& [name, verb] :
       {std::pair("cordon", NodeVerb::kCordon), std::pair("uncordon", NodeVerb::kUncordon),
        std::pair("drain", NodeVerb::kDrain), std::pair("exclude", NodeVerb::kExclude)}) {
    AddCommand(router, late, std::string("nodes/{id}/") + name,
               [verb = verb](const Request& request) { return ReadChangeNode(request, verb); });
  }
}

}  // namespace

void AddSweepRoutes(http::Router& router, LateHost& late, registry::TriggerService& triggers,
                    const std::filesystem::path& bin_dir) {
  // Blocking, for one with `retrain` waits for its reply and for its trigger's commit.
  router.AddBlocking(
      "POST", std::string(kBase) + "sweeps",
      [&late, &triggers, bin_dir](const Request& request, Respond respond) {
        auto submit = ReadSubmit(request);
        if (!submit.ok()) return respond(http::ErrorResponse(submit.error()));
        const Status found = FindTrialProgram(submit->spec, bin_dir);
        if (!found.ok()) return respond(http::ErrorResponse(found.error()));
        const auto host = late.Get();
        if (!host.ok()) return respond(http::ErrorResponse(host.error()));
        if (!submit->spec.retrain || !registry::ComesByItself(*submit->spec.retrain)) {
          return SubmitAndAnswer(**host, std::move(submit).value(), std::move(respond));
        }
        const auto reply = SubmitWithTrigger(**host, triggers, std::move(submit).value());
        respond(reply.ok() ? Response::Json(*reply) : http::ErrorResponse(reply.error()));
      });
  AddSweepVerbs(router, late);
  AddNodeVerbs(router, late);
  AddView(router, late, "sweeps", [](const Coordinator& state, const Request&, Moment moment) {
    return boost::json::value{{"sweeps", coordinator::SweepsView(state, moment)}};
  });
  AddCommand(router, late, "quotas", [](const Request& request) -> Result<coordinator::Input> {
    MUSTER_ASSIGN_OR_RETURN(auto body,
                            wire::Decode<QuotaBody>(request.body, wire::Unknown::kRefuse));
    return coordinator::Input(coordinator::SetQuota{std::move(body.user), std::move(body.most)});
  });
  AddView(router, late, "quotas", [](const Coordinator& state, const Request&, Moment moment) {
    return boost::json::value{{"quotas", coordinator::QuotasView(state, moment)}};
  });
  AddView(router, late, "nodes", [](const Coordinator& state, const Request&, Moment moment) {
    return boost::json::value{{"nodes", coordinator::NodesView(state, moment)}};
  });
  AddView(router, late, "sweeps/{id}",
          [](const Coordinator& state, const Request& request, Moment moment) {
            return coordinator::SweepView(state, SweepOf(request), moment);
          });
  AddView(router, late, "sweeps/{id}/explain",
          [](const Coordinator& state, const Request& request, Moment moment) {
            return coordinator::ExplainSweep(state, SweepOf(request), moment);
          });
  AddView(router, late, "sweeps/{id}/trials",
          [](const Coordinator& state, const Request& request,
             Moment moment) -> Result<boost::json::value> {
            MUSTER_ASSIGN_OR_RETURN(auto trials,
                                    coordinator::TrialsView(state, SweepOf(request), moment));
            return boost::json::value{{"trials", std::move(trials)}};
          });
  AddView(router, late, "sweeps/{id}/trials/{number}",
          [](const Coordinator& state, const Request& request, Moment moment) {
            return coordinator::TrialView(state, TrialOf(request), moment);
          });
  AddView(router, late, "sweeps/{id}/trials/{number}/explain",
          [](const Coordinator& state, const Request& request, Moment moment) {
            return coordinator::ExplainTrial(state, TrialOf(request), moment);
          });
  router.Add("GET", std::string(kBase) + "sweeps/{id}/trials/{number}/logs",
             http::Sync([&late](const Request& request) {
               const auto host = late.Get();
               return host.ok() ? Logs(**host, request) : http::ErrorResponse(host.error());
             }));
}

}  // namespace muster::server
