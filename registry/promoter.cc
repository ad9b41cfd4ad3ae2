#include "registry/promoter.h"

#include <algorithm>

#include "registry/gate_json.h"
#include "registry/gates/time_calls.h"
#include "registry/package/model_signature.h"
#include "registry/package/triton_config.h"
#include "registry/tensor_values.h"
#include "runtime/wire/codec.h"

namespace muster::registry {
namespace {

constexpr std::string_view kDecisionAction = "promotion.decision";
/// The folder of the run's artifacts that MLflow's clients load. A run has one version of its own and any number of
/// compressed forms of it, which must not lie in each other's place.
std::string ArtifactFolder(const Candidate& candidate, const PackageSpec& spec) {
  if (candidate.compressed_from == 0) return "model";
  return "model-" + spec.model_uuid.substr(0, 12);
}

/// As it is written to the audit.
struct ResultFile {
  std::int64_t version = 0;
  bool promoted = false;
  std::string model, alias, reason;
  boost::json::array verdicts;
};
BOOST_DESCRIBE_STRUCT(ResultFile, (), (version, promoted, model, alias, reason, verdicts))

/// Trying again would meet the same: what was asked for or exported is wrong or not there.
bool IsFinal(ErrorKind kind) {
  return kind == ErrorKind::kInvalid || kind == ErrorKind::kUnsupported ||
         kind == ErrorKind::kCorrupt || kind == ErrorKind::kNotFound;
}

/// The host's fault, not the model's.
bool IsTransient(ErrorKind kind) {
  return kind == ErrorKind::kUnavailable || kind == ErrorKind::kIo || kind == ErrorKind::kResource;
}

std::string Text(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.9g", value);
  return text;
}

/// The alias that the gates compare with, one at most, as CheckGates sees to; else that which is to move.
std::string ComparedAlias(const std::vector<wire::GateSpec>& gates, const std::string& promote) {
  for (const wire::GateSpec& gate : gates) {
    if (!gate.better_than.empty()) return gate.better_than;
  }
  return promote;
}

ElementType CoarsestOf(const std::vector<TensorSpec>& outputs) {
  return std::ranges::min(outputs, {},
                          [](const TensorSpec& output) { return FractionBits(output.type); })
      .type;
}

PromotionResult Undecided(const Candidate& candidate) {
  PromotionResult result;
  result.model = candidate.model.name;
  result.alias = candidate.model.promote;
  return result;
}

}  // namespace

boost::json::value ToJson(const PromotionResult& result) {
  return wire::ToJson(ResultFile{result.version, result.promoted, result.model, result.alias,
                                 result.reason, GatesToJson(result.verdicts).get_array()});
}

Result<PromotionResult> PromotionResultFromJson(const boost::json::value& json) {
  MUSTER_ASSIGN_OR_RETURN(const auto file, wire::FromJson<ResultFile>(json));
  PromotionResult result;
  MUSTER_ASSIGN_OR_RETURN(result.verdicts, GatesFromJson(file.verdicts));
  result.version = file.version;
  result.promoted = file.promoted;
  result.model = file.model;
  result.alias = file.alias;
  result.reason = file.reason;
  return result;
}

/// What steps 2 and 3 found out.
struct Promoter::Judged {
  std::vector<wire::GateSpec> gates;  ///< the model's own, then the sweep's
  std::string compared;               ///< the alias whose version the candidate is compared with
  ExportBundle bundle;
  std::unique_ptr<InferenceModel> model;
  std::vector<float> logits;
  std::vector<GateVerdict> verdicts;
  std::int64_t incumbent = 0;  ///< what the compared alias named while the gates were judged
};

Result<PromotionResult> Promoter::Run(const Candidate& candidate) {
  MUSTER_CHECK(!candidate.request_id.empty(), "a promotion has a request id");
  if (const auto decided = parts_.store.FindAuditByRequest(candidate.request_id); decided.ok()) {
    MUSTER_ASSIGN_OR_RETURN(const auto json, wire::ParseJson(decided->detail_json));
    return PromotionResultFromJson(json);
  } else if (decided.error().kind != ErrorKind::kNotFound) {
    return decided.error();
  }
  auto result = Decide(candidate);
  if (!result.ok()) {
    if (!IsFinal(result.error().kind)) return result.error();
    PromotionResult refused = Undecided(candidate);
    refused.reason = result.error().message;
    const auto made = parts_.store.FindVersionByRequest(candidate.request_id);
    if (made.ok()) refused.version = made->version;
    result = std::move(refused);
  }
  MUSTER_RETURN_IF_ERROR(parts_.store.AppendAudit(
      kDecisionAction, result->model, result->version, wire::SerializeJson(ToJson(*result)),
      {"muster", candidate.lineage.sweep}, candidate.request_id));
  parts_.files.Discard(candidate.request_id);
  return result;
}

Result<PromotionResult> Promoter::Decide(const Candidate& candidate) {
  PromotionResult result = Undecided(candidate);
  MUSTER_ASSIGN_OR_RETURN(Judged judged, ExportAndJudge(candidate));
  // An earlier run of this request may have made the version, and even the champion, of it. Compared with itself
  // it would not be better, so the verdicts of then count; without a promotion those of now do.
  const auto version = parts_.store.FindVersionByRequest(candidate.request_id);
  if (version.ok()) {
    MUSTER_ASSIGN_OR_RETURN(const bool promoted, WasPromoted(*version, result.alias));
    if (promoted) {
      MUSTER_ASSIGN_OR_RETURN(judged.verdicts, Recorded(*version, judged.verdicts.size()));
    }
  }
  result.verdicts = judged.verdicts;
  if (!version.ok() && !AllPassed(judged.verdicts)) {
    result.reason = Summary(judged.verdicts);
    return result;
  }
  MUSTER_ASSIGN_OR_RETURN(const ModelVersion made, Register(candidate, judged));
  if (candidate.model.promote.empty()) {
    result.version = made.version;
    result.reason = Summary(judged.verdicts);
    return result;
  }
  return MoveAlias(candidate, made, judged);
}

Result<bool> Promoter::WasPromoted(const ModelVersion& version, const std::string& alias) {
  MUSTER_ASSIGN_OR_RETURN(const auto history, parts_.store.AliasHistory(version.name));
  return std::any_of(history.begin(), history.end(), [&](const AliasChange& change) {
    return change.move == AliasMove::kPromote && change.alias == alias &&
           change.version == version.version;
  });
}

Result<std::vector<GateVerdict>> Promoter::Recorded(const ModelVersion& version,
                                                    std::size_t count) {
  MUSTER_ASSIGN_OR_RETURN(auto verdicts, parts_.store.Gates(version.name, version.version));
  if (verdicts.size() > count) {
    verdicts.erase(verdicts.begin(), verdicts.end() - static_cast<std::ptrdiff_t>(count));
  }
  return verdicts;
}

Result<std::vector<wire::GateSpec>> Promoter::GatesOf(const wire::ModelSpec& model) {
  std::vector<wire::GateSpec> gates;
  const auto files = parts_.store.GateFiles(model.name);
  if (!files.ok() && files.error().kind != ErrorKind::kNotFound) return files.error();
  if (files.ok() && !files->empty()) {
    MUSTER_ASSIGN_OR_RETURN(const auto json, wire::ParseJson(files->front().gates_json));
    MUSTER_ASSIGN_OR_RETURN(gates, wire::GateSpecsFromJson(json));
  }
  const std::size_t own = gates.size();
  gates.insert(gates.end(), model.gates.begin(), model.gates.end());
  const Status checked = CheckGates(gates);
  if (!checked.ok()) {
    if (own == 0) return checked.error();
    return checked.error().With("the first " + std::to_string(own) +
                                " gates are of the model's gate file, the others of the sweep");
  }
  return gates;
}

Result<Promoter::Judged> Promoter::ExportAndJudge(const Candidate& candidate) {
  Judged judged;
  MUSTER_ASSIGN_OR_RETURN(judged.gates, GatesOf(candidate.model));
  if (candidate.compressed_from != 0) {
    std::erase_if(judged.gates, [](const wire::GateSpec& gate) {
      return gate.parity || !gate.better_than.empty();
    });
  }
  judged.compared = ComparedAlias(judged.gates, candidate.model.promote);
  MUSTER_ASSIGN_OR_RETURN(const auto workspace, parts_.files.Workspace(candidate.request_id));
  const Lineage& from = candidate.lineage;
  if (const Status status =
          parts_.exporter.Export({candidate.program, from.checkpoint, from.params, from.data,
                                  candidate.model.segments, workspace});
      !status.ok()) {
    return status.error().With("export of trial " + from.trial);
  }
  MUSTER_ASSIGN_OR_RETURN(judged.bundle, parts_.files.ReadBundle(workspace));
  MUSTER_ASSIGN_OR_RETURN(judged.model, parts_.engine.Load(judged.bundle.onnx_file(), 0));
  MUSTER_ASSIGN_OR_RETURN(judged.logits, Logits(*judged.model, judged.bundle.evaluation));
  MUSTER_RETURN_IF_ERROR(Judge(candidate, judged));
  return judged;
}

Status Promoter::Judge(const Candidate& candidate, Judged& judged) {
  GateEvidence evidence;
  evidence.evaluation = &judged.bundle.evaluation;
  evidence.logits = judged.logits;
  evidence.model_bytes = judged.bundle.onnx_bytes;
  evidence.predict = [&](const Evaluation& changed) { return Logits(*judged.model, changed); };
  evidence.predict_batches = [&](std::int64_t rows, std::int64_t batch) {
    return FirstLogits(*judged.model, judged.bundle.evaluation, rows, batch);
  };
  evidence.precision = CoarsestOf(judged.model->outputs());
  evidence.time_calls = [&](std::int64_t batch) {
    return TimeCalls(*judged.model, judged.bundle.evaluation, batch, parts_.clock);
  };
  if (candidate.compressed_from != 0) {
    MUSTER_ASSIGN_OR_RETURN(const auto full, parts_.engine.Load(judged.bundle.full_onnx_file(), 0));
    MUSTER_ASSIGN_OR_RETURN(evidence.full, Logits(*full, judged.bundle.evaluation));
  }
  const auto incumbent = judged.compared.empty()
                             ? Result<ModelVersion>(NotFound("no alias to compare with"))
                             : parts_.store.GetByAlias(candidate.model.name, judged.compared);
  judged.incumbent = 0;
  if (incumbent.ok()) {
    judged.incumbent = incumbent->version;
    const auto compute = [&]() -> Result<std::vector<float>> {
      MUSTER_ASSIGN_OR_RETURN(const auto file, parts_.files.OnnxFile(*incumbent));
      MUSTER_ASSIGN_OR_RETURN(const auto model, parts_.engine.Load(file, 0));
      return Logits(*model, judged.bundle.evaluation);
    };
    auto logits = compute();
    if (!logits.ok() && IsTransient(logits.error().kind)) return logits.error();
    evidence.incumbent = Incumbent{incumbent->version, std::move(logits)};
  } else if (incumbent.error().kind != ErrorKind::kNotFound) {
    return incumbent.error();
  }
  MUSTER_ASSIGN_OR_RETURN(judged.verdicts, DecideGates(judged.gates, evidence));
  return Ok();
}

Result<ModelVersion> Promoter::Register(const Candidate& candidate, const Judged& judged) {
  const Actor actor{"muster", "sweep " + candidate.lineage.sweep};
  PackageSpec spec;
  spec.model = candidate.model.name;
  spec.program = candidate.program;
  spec.model_uuid = ModelUuid(candidate.request_id);
  spec.created_ms = parts_.clock.UnixNow();
  spec.info = judged.bundle.info;
  spec.lineage = candidate.lineage;
  AddExport(judged.bundle.info, spec.lineage);
  spec.verdicts = judged.verdicts;
  spec.onnx_file = judged.bundle.onnx_file();
  spec.onnx_sha256 = judged.bundle.onnx_sha256;
  spec.weights_sha256 = judged.bundle.weights_sha256;
  spec.engine = parts_.engine.name();
  spec.evaluation = &judged.bundle.evaluation;
  spec.logits = &judged.logits;
  auto files = BuildPackage(spec);
  const auto staged = judged.bundle.directory / "package";
  MUSTER_RETURN_IF_ERROR(parts_.files.Write(staged, files));
  MUSTER_RETURN_IF_ERROR(parts_.files.Sign(staged, spec.model));
  files.push_back({std::string(kSignatureFile), "", {}});
  const std::string& run = candidate.lineage.run_id;
  const std::string folder = ArtifactFolder(candidate, spec);
  for (const PackageFile& file : files) {
    MUSTER_RETURN_IF_ERROR(parts_.artifacts.Put(run, folder + "/" + file.path, staged / file.path));
  }
  if (const auto model = parts_.store.CreateModel(spec.model, "", {}, actor);
      !model.ok() && model.error().kind != ErrorKind::kAlreadyExists) {
    return model.error();
  }
  NewVersion wanted;
  wanted.name = spec.model;
  wanted.run_id = run;
  wanted.request_id = candidate.request_id;
  wanted.author = candidate.author;
  wanted.description = "trial " + candidate.lineage.trial;
  MUSTER_ASSIGN_OR_RETURN(wanted.source, parts_.artifacts.Source(run, folder));
  wanted.tags = LineageTags(spec.lineage, candidate.request_id);
  for (std::size_t i = 0; i < judged.verdicts.size(); ++i) {
    const GateVerdict& verdict = judged.verdicts[i];
    wanted.tags.push_back(
        {"muster.gate." + std::to_string(i), verdict.gate + ": " + Text(verdict.seen)});
  }
  if (candidate.compressed_from != 0) {
    const std::string& form = judged.bundle.info.environment.at("form");
    const std::string from = std::to_string(candidate.compressed_from);
    wanted.description += ", version " + from + " as " + form;
    wanted.tags.insert(wanted.tags.end(), {{"compressed_from", from}, {"form", form}});
  }
  MUSTER_ASSIGN_OR_RETURN(const ModelVersion made, parts_.store.CreateVersion(wanted, actor));
  MUSTER_RETURN_IF_ERROR(parts_.files.Publish(staged, spec.model, made.version,
                                              TritonConfigText(spec.model, spec.info)));
  MUSTER_RETURN_IF_ERROR(parts_.store.AppendAudit(kLineageAction, made.name, made.version,
                                                  wire::SerializeJson(LineageJson(spec.lineage)),
                                                  actor, LineageRequest(candidate.request_id)));
  // An earlier run may have recorded its verdicts; those of now are what the decision rests on.
  MUSTER_ASSIGN_OR_RETURN(const auto recorded, Recorded(made, judged.verdicts.size()));
  if (GatesToJson(recorded) != GatesToJson(judged.verdicts)) {
    MUSTER_RETURN_IF_ERROR(
        parts_.store.RecordGates(made.name, made.version, judged.verdicts, actor));
  }
  return made;
}

Result<PromotionResult> Promoter::MoveAlias(const Candidate& candidate, const ModelVersion& version,
                                            Judged& judged) {
  PromotionResult result = Undecided(candidate);
  result.version = version.version;
  for (int round = 0; round < kPromotionRounds; ++round) {
    result.verdicts = judged.verdicts;
    result.reason = Summary(judged.verdicts);
    if (!AllPassed(judged.verdicts)) return result;
    // The alias to move may be another than the one compared with; then nothing ties the two together.
    std::int64_t expected = judged.incumbent;
    if (judged.compared != result.alias) {
      const auto now = parts_.store.GetByAlias(result.model, result.alias);
      expected = now.ok() ? now->version : 0;
    }
    Promotion promotion{result.model, result.alias, result.version, expected, candidate.request_id};
    promotion.approvals = candidate.model.approvals;
    promotion.wait = true;
    const Status moved = parts_.store.Promote(promotion, {"muster", result.reason});
    if (moved.ok()) {
      result.promoted = true;
      return result;
    }
    if (moved.error().kind == ErrorKind::kFenced) {
      result.reason += "; waits: " + moved.error().message;
      return result;
    }
    if (moved.error().kind != ErrorKind::kConflict) return moved.error();
    MUSTER_RETURN_IF_ERROR(Judge(candidate, judged));
    MUSTER_RETURN_IF_ERROR(parts_.store.RecordGates(
        result.model, result.version, judged.verdicts,
        {"muster", "judged again: alias '" + result.alias + "' had moved"}));
  }
  return Unavailable("alias '" + result.alias + "' of '" + result.model + "' moved " +
                     std::to_string(kPromotionRounds) + " times while version " +
                     std::to_string(result.version) + " was judged");
}

Result<std::int64_t> Rollback(ModelStore& store, const std::string& model, const std::string& alias,
                              const Actor& actor, std::optional<std::int64_t> to) {
  MUSTER_ASSIGN_OR_RETURN(const auto history, store.AliasHistory(model));
  const auto exists = [&](std::int64_t version) {
    const auto found = store.GetVersion(model, version);
    return found.ok() || found.error().kind != ErrorKind::kNotFound;
  };
  const auto target_of = [&]() -> Result<std::int64_t> {
    if (!to) return RollbackTarget(history, alias, exists);
    const auto named = [&](const AliasChange& c) { return c.alias == alias && c.version == *to; };
    const auto now = std::ranges::find(history, alias, &AliasChange::alias);
    if (*to > 0 && std::ranges::any_of(history, named) && now->version != *to) return *to;
    return Invalid("alias '" + alias + "' of '" + model + "' cannot go back to version " +
                   std::to_string(*to) + "; wanted another one that it named before");
  };
  MUSTER_ASSIGN_OR_RETURN(const std::int64_t target, target_of());
  // What this history ends with, not what the alias names by now: who moves it meanwhile makes a conflict.
  const auto newest = std::ranges::find(history, alias, &AliasChange::alias);
  const std::int64_t expected = newest->version;
  MUSTER_RETURN_IF_ERROR(store.Promote({model, alias, target, expected, "", true}, actor));
  return target;
}

}  // namespace muster::registry
