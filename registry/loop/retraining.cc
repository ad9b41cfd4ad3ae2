#include "registry/loop/retraining.h"

#include <algorithm>

#include "registry/gates.h"
#include "registry/lineage.h"
#include "runtime/wire/codec.h"

namespace muster::registry {
namespace {

bool Compares(const std::vector<wire::GateSpec>& gates) {
  return std::ranges::any_of(gates, [](const auto& gate) { return !gate.better_than.empty(); });
}

/// The metric that candidates are judged by: "test/accuracy" for the objective "validation/accuracy".
std::string JudgedMetric(const wire::SweepSpec& spec) {
  for (const wire::GateSpec& gate : spec.model->gates) {
    if (!gate.metric.empty()) return gate.metric;
  }
  const std::string& metric = spec.objective.metric;
  const std::size_t slash = metric.find('/');
  return "test/" + (slash == metric.npos ? metric : metric.substr(slash + 1));
}

std::string VersionText(const Champion& champion) {
  return "version " + std::to_string(champion.version);
}

}  // namespace

Result<Champion> FindChampion(ModelStore& models, const std::string& model,
                              const std::string& alias) {
  Champion champion;
  if (model.empty() || alias.empty()) return champion;
  const auto files = models.GateFiles(model);
  if (files.ok() && !files->empty()) {
    MUSTER_ASSIGN_OR_RETURN(const auto json, wire::ParseJson(files->front().gates_json));
    MUSTER_ASSIGN_OR_RETURN(const auto gates, wire::GateSpecsFromJson(json));
    champion.compared = Compares(gates);
  }
  const auto version = models.GetByAlias(model, alias);
  if (!version.ok()) {
    if (version.error().kind == ErrorKind::kNotFound) return champion;
    return version.error();
  }
  champion.version = version->version;
  // One that a person registered has no lineage: nothing to begin with, and no error.
  const auto request = LineageRequest(*version);
  if (!request.ok()) return champion;
  const auto entry = models.FindAuditByRequest(*request);
  if (!entry.ok()) return champion;
  MUSTER_ASSIGN_OR_RETURN(const auto lineage, wire::ParseJson(entry->detail_json));
  if (const auto* sweep = lineage.as_object().if_contains("sweep");
      sweep != nullptr && sweep->is_string()) {
    champion.sweep = sweep->get_string();
  }
  if (const auto* params = lineage.as_object().if_contains("params");
      params != nullptr && params->is_object()) {
    champion.params = params->get_object();
  }
  return champion;
}

Plan PlanRetraining(wire::SweepSpec spec, const wire::RetrainSpec& when, const Champion& champion,
                    std::int64_t now_unix) {
  Plan plan;
  const auto step = [&](std::string seen, std::string decided, std::string why) {
    plan.steps.push_back({now_unix, "plan", std::move(seen), std::move(decided), std::move(why)});
  };
  spec.retrain.reset();
  if (when.warm_start && !champion.sweep.empty() && spec.warm_start.empty() &&
      spec.enqueue.empty()) {
    boost::json::object params;
    for (const auto& entry : champion.params) {
      if (spec.space.contains(entry.key())) params[entry.key()] = entry.value();
    }
    if (!params.empty()) spec.enqueue.push_back(params);
    spec.warm_start.push_back({champion.sweep});
    step(VersionText(champion) + " is " + spec.model->promote + ", of sweep " + champion.sweep,
         "begins with its parameters and the trials of its sweep", "warm_start");
  }
  if (when.compare && spec.model && !Compares(spec.model->gates) && !champion.compared) {
    wire::GateSpec gate;
    gate.metric = JudgedMetric(spec);
    gate.better_than = spec.model->promote;
    if (const Status fits = CheckGates({gate}); fits.ok()) {
      step("no gate compares with " + gate.better_than, "adds the gate " + GateName(gate),
           "both are judged on the same fresh rows");
      spec.model->gates.push_back(std::move(gate));
    } else {
      step("no gate compares with " + gate.better_than, "adds none",
           gate.metric + " is no metric of gates: " + fits.error().message);
    }
  }
  if (when.canary && spec.model && spec.model->promote != kChallengerAlias) {
    step("canary", "what passes is named " + std::string(kChallengerAlias),
         "it becomes " + spec.model->promote + " when its canary has ended well");
    spec.model->promote = kChallengerAlias;
  }
  plan.spec = std::move(spec);
  return plan;
}

}  // namespace muster::registry
