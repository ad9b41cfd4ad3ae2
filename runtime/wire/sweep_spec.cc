#include "runtime/wire/sweep_spec.h"

#include "runtime/wire/sweep_spec_json.h"

namespace muster::wire {

boost::json::value ToJson(const SweepSpec& spec) { return ToJson<SweepSpec>(spec); }
Result<SweepSpec> SweepSpecFromJson(const boost::json::value& json) {
  return FromJson<SweepSpec>(json, Unknown::kRefuse);
}

boost::json::value ToJson(const RetrainSpec& spec) { return ToJson<RetrainSpec>(spec); }
Result<RetrainSpec> RetrainSpecFromJson(const boost::json::value& json) {
  return FromJson<RetrainSpec>(json, Unknown::kRefuse);
}

boost::json::value ToJson(const std::vector<GateSpec>& gates) {
  return ToJson<std::vector<GateSpec>>(gates);
}
Result<std::vector<GateSpec>> GateSpecsFromJson(const boost::json::value& json) {
  return FromJson<std::vector<GateSpec>>(json, Unknown::kRefuse);
}

}  // namespace muster::wire
