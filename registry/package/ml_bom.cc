#include "registry/package/ml_bom.h"

#include "registry/package/findings.h"
#include "registry/package/provenance.h"
#include "registry/package/text.h"
#include "runtime/wire/codec.h"

namespace muster::registry {
namespace {

using boost::json::array;
using boost::json::object;

constexpr std::string_view kModelRef = "model";
constexpr std::string_view kEngineRef = "engine";

std::string DataRef(const std::string& role) { return "data/" + role; }

array Ends(const std::vector<TensorSpec>& specs) {
  array ends;
  for (const TensorSpec& spec : specs) {
    ends.push_back(object{{"format", spec.name + " " + std::string(ElementTypeName(spec.type)) +
                                         ShapeText(spec.shape)}});
  }
  return ends;
}

array PerformanceMetrics(const PackageSpec& spec) {
  array metrics;
  for (const auto& [name, value] : spec.info.metrics) {
    metrics.push_back(object{{"type", name}, {"value", ShortNumber(value)}});
  }
  for (const SegmentFigure& figure : SegmentFigures(spec)) {
    metrics.push_back(object{
        {"type", figure.metric}, {"value", ShortNumber(figure.value)}, {"slice", figure.segment}});
  }
  return metrics;
}

object Considerations(const PackageSpec& spec) {
  array assessments;
  for (const GateVerdict& verdict : spec.verdicts) {
    if (!IsFairness(verdict)) continue;
    assessments.push_back(object{{"groupAtRisk", verdict.gate}, {"harms", verdict.detail}});
  }
  object considerations = {{"technicalLimitations", wire::ToJson(Limits(spec))}};
  if (!assessments.empty()) considerations["fairnessAssessments"] = std::move(assessments);
  return considerations;
}

object ModelComponent(const PackageSpec& spec) {
  array datasets;
  for (const auto& [role, path] : spec.lineage.data) {
    datasets.push_back(object{{"ref", DataRef(role)}});
  }
  const object card = {
      {"modelParameters", object{{"approach", object{{"type", "supervised"}}},
                                 {"task", HubTask(spec)},
                                 {"modelArchitecture", spec.program},
                                 {"datasets", std::move(datasets)},
                                 {"inputs", Ends(spec.info.inputs)},
                                 {"outputs", Ends(spec.info.outputs)}}},
      {"quantitativeAnalysis", object{{"performanceMetrics", PerformanceMetrics(spec)}}},
      {"considerations", Considerations(spec)}};
  return {{"type", "machine-learning-model"},
          {"bom-ref", kModelRef},
          {"name", spec.model},
          {"version", spec.model_uuid},
          {"hashes", array{object{{"alg", "SHA-256"}, {"content", spec.onnx_sha256}}}},
          {"modelCard", card}};
}

array OtherComponents(const PackageSpec& spec) {
  array components;
  for (const auto& [role, path] : spec.lineage.data) {
    object component = {
        {"type", "data"},
        {"bom-ref", DataRef(role)},
        {"name", role},
        {"data",
         array{object{{"type", "dataset"}, {"name", role}, {"contents", object{{"url", path}}}}}}};
    const object set = DigestSet(spec.DataDigest(role));
    if (const auto* hash = set.if_contains("sha256"); hash != nullptr) {
      component["hashes"] = array{object{{"alg", "SHA-256"}, {"content", *hash}}};
    }
    components.push_back(std::move(component));
  }
  components.push_back(
      object{{"type", "framework"}, {"bom-ref", kEngineRef}, {"name", spec.engine}});
  if (const auto torch = spec.info.environment.find("libtorch");
      torch != spec.info.environment.end()) {
    components.push_back(object{{"type", "framework"},
                                {"bom-ref", "libtorch"},
                                {"name", "LibTorch"},
                                {"version", torch->second}});
  }
  return components;
}

}  // namespace

std::string MlBomText(const PackageSpec& spec) {
  array depends_on = {kEngineRef};
  for (const auto& [role, path] : spec.lineage.data)
    depends_on.push_back(wire::ToJson(DataRef(role)));
  const object tool = {{"type", "application"}, {"name", "muster"}};
  return wire::SerializeJson(object{
             {"$schema", "http://cyclonedx.org/schema/bom-1.6.schema.json"},
             {"bomFormat", "CycloneDX"},
             {"specVersion", "1.6"},
             {"serialNumber", "urn:uuid:" + UuidOf(spec.model_uuid)},
             {"version", 1},
             {"metadata", object{{"timestamp", IsoTime(spec.created_ms)},
                                 {"tools", object{{"components", array{tool}}}},
                                 {"component", ModelComponent(spec)}}},
             {"components", OtherComponents(spec)},
             {"dependencies", array{object{{"ref", kModelRef}, {"dependsOn", depends_on}}}}}) +
         "\n";
}

}  // namespace muster::registry
