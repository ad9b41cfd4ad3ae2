#include "registry/gate_json.h"

#include "runtime/wire/codec.h"

namespace muster::registry {

BOOST_DESCRIBE_STRUCT(GateVerdict, (), (detail, gate, passed, seen, wanted))

boost::json::value GatesToJson(const std::vector<GateVerdict>& verdicts) {
  return wire::ToJson(verdicts);
}
Result<std::vector<GateVerdict>> GatesFromJson(const boost::json::value& json) {
  return wire::FromJson<std::vector<GateVerdict>>(json);
}

}  // namespace muster::registry
