#include "runtime/server/compress_routes.h"

#include <boost/json/object.hpp>
#include <charconv>
#include <cmath>
#include <mutex>

#include "registry/files/compressing_exporter.h"
#include "registry/gate_json.h"
#include "runtime/base/random.h"
#include "runtime/server/promotion_worker.h"
#include "runtime/wire/codec.h"

namespace muster::server {
namespace {

using http::Request;
using http::Response;

struct Body {
  std::string form = "auto";
  std::int64_t calibration = 0;
  std::optional<std::string> metric;
  std::optional<double> agreement, drop;
  std::string request_id;
};
BOOST_DESCRIBE_STRUCT(Body, (), (form, calibration, metric, agreement, drop, request_id))

struct FormJson {
  std::string form;
  std::int64_t bytes = 0;
  double ms_1 = 0, ms_32 = 0;
  std::optional<double> agreement, metric;
  std::string refused;
};
BOOST_DESCRIBE_STRUCT(FormJson, (), (form, bytes, ms_1, ms_32, agreement, metric, refused))

std::optional<double> Finite(double value) {
  return std::isfinite(value) ? std::optional(value) : std::nullopt;
}

Result<registry::ModelVersion> VersionOf(registry::ModelStore& store, const Request& request) {
  const std::string& name = request.captures.find("name")->second;
  const std::string& which = request.captures.find("version")->second;
  std::int64_t number = 0;
  const char* end = which.data() + which.size();
  const auto read = std::from_chars(which.data(), end, number);
  return read.ec == std::errc() && read.ptr == end ? store.GetVersion(name, number)
                                                   : store.GetByAlias(name, which);
}

/// What the version's trial was promoted with.
Result<registry::Candidate> CandidateOfVersion(LateHost& late,
                                               const registry::ModelVersion& version) {
  const auto tag = std::ranges::find(version.tags, "muster.trial", &registry::Tag::key);
  if (tag == version.tags.end()) {
    return Unsupported(version.name + " version " + std::to_string(version.version) +
                       " came from no trial of this server, so there are no held-out rows to judge "
                       "a smaller form on");
  }
  MUSTER_ASSIGN_OR_RETURN(CoordinatorHost * host, late.Get());
  const TrialId id(tag->value);
  std::optional<coordinator::PromoteModel> command;
  const auto asked = host->Ask([&](const coordinator::Coordinator& coordinator, MonotonicTime,
                                   UnixMillis) -> Result<boost::json::value> {
    const auto& state = coordinator.state();
    const auto* trial = state.FindTrial(id);
    const auto* sweep = trial == nullptr ? nullptr : state.FindSweep(trial->sweep);
    if (sweep == nullptr) return NotFound("there is no trial '" + id.value + "' any more");
    command = coordinator::Coordinator::PromoteModelOf(*sweep, *trial);
    return boost::json::value(nullptr);
  });
  if (!asked.ok()) return asked.error();
  return CandidateOf(*command);
}

/// The bound, which becomes the only gate that compares with the full version.
wire::GateSpec TakeCompressedGate(std::vector<wire::GateSpec>& gates, const Body& body) {
  wire::GateSpec bound{.metric = "loss", .compressed = wire::CompressedGate{}};
  for (const wire::GateSpec& gate : gates) {
    if (gate.compressed || bound.metric == "loss") {
      if (!gate.metric.empty()) bound.metric = gate.metric;
    }
    if (gate.compressed) bound = gate;
  }
  if (body.metric) bound.metric = *body.metric;
  if (body.agreement) bound.compressed->agreement_at_least = *body.agreement;
  if (body.drop) bound.compressed->drop_at_most = *body.drop;
  std::erase_if(gates, [](const wire::GateSpec& gate) { return gate.compressed.has_value(); });
  gates.push_back(bound);
  return bound;
}

boost::json::object AnswerOf(const registry::PromotionResult& result, std::int64_t from,
                             const registry::CompressionChoice& choice, const std::string& metric) {
  boost::json::array forms;
  for (const registry::FormFigures& row : choice.table) {
    forms.push_back(wire::ToJson(FormJson{row.form, row.bytes, row.ms_1, row.ms_32,
                                          Finite(row.agreement), Finite(row.metric), row.refused}));
  }
  const bool chosen = result.version != 0 && choice.chosen != 0;
  return {{"from", from},
          {"version", result.version},
          {"form", chosen ? choice.table[choice.chosen].form : ""},
          {"reason", result.reason},
          {"gates", registry::GatesToJson(result.verdicts)},
          {"metric", metric},
          {"forms", std::move(forms)}};
}

Result<boost::json::object> Compress(const Request& request, LateHost& late,
                                     const registry::Promoter::Parts& parts) {
  MUSTER_ASSIGN_OR_RETURN(
      const Body body,
      wire::Decode<Body>(request.body.empty() ? "{}" : request.body, wire::Unknown::kRefuse));
  registry::CompressionRequest wanted;
  MUSTER_ASSIGN_OR_RETURN(wanted.forms, registry::ParseCompressionForms(body.form));
  if (body.calibration < 0) return Invalid("at calibration: wanted a number of rows");
  wanted.calibration_rows = body.calibration;
  MUSTER_ASSIGN_OR_RETURN(const auto version, VersionOf(parts.store, request));
  MUSTER_ASSIGN_OR_RETURN(wanted.source, parts.files.OnnxFile(version));
  MUSTER_ASSIGN_OR_RETURN(auto candidate, CandidateOfVersion(late, version));
  const auto bound = TakeCompressedGate(candidate.model.gates, body);
  wanted.bound = {bound.metric, bound.compressed->agreement_at_least,
                  bound.compressed->drop_at_most};
  candidate.model.name = version.name;
  candidate.model.promote.clear();
  candidate.compressed_from = version.version;
  candidate.request_id = version.name + "/" + std::to_string(version.version) + "/compress/" +
                         (body.request_id.empty() ? RandomHex(16) : body.request_id);
  registry::CompressingExporter exporter(parts.exporter, parts.engine, parts.clock, wanted);
  registry::Promoter promoter(
      {parts.store, parts.engine, exporter, parts.artifacts, parts.files, parts.clock});
  MUSTER_ASSIGN_OR_RETURN(const auto result, promoter.Run(candidate));
  return AnswerOf(result, version.version, exporter.choice(), bound.metric);
}

}  // namespace

void AddCompressRoutes(http::Router& router, LateHost& late, registry::Promoter::Parts parts) {
  auto one_at_a_time = std::make_shared<std::mutex>();
  router.AddBlocking(
      "POST", "/api/muster/v1/models/{name}/versions/{version}/compress",
      [&late, parts, one_at_a_time](const Request& request, const http::Respond& respond) {
        const std::unique_lock lock(*one_at_a_time, std::try_to_lock);
        if (!lock) {
          return respond(
              http::ErrorResponse(Conflict("another model is being compressed; its times would be "
                                           "disturbed, so try again when it is done")));
        }
        const auto answer = Compress(request, late, parts);
        respond(answer.ok() ? Response::Json(*answer) : http::ErrorResponse(answer.error()));
      });
}

}  // namespace muster::server
