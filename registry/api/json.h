#pragma once

#include <boost/json/object.hpp>

#include "registry/model_store.h"
#include "registry/trigger.h"
#include "registry/trust_store.h"

/// The registry's things as /api/muster/v1 shows them. Pure.

namespace muster::registry {

boost::json::object ToJson(const ModelVersion& version);
boost::json::object ToJson(const RegisteredModel& model);
boost::json::object ToJson(const AliasChange& change);
boost::json::object ToJson(const AuditEntry& entry);
boost::json::object ToJson(const AuditReport& report);
boost::json::object ToJson(const ApprovalState& state);
boost::json::object ToJson(const Served& served);
boost::json::object ToJson(const Firing& firing);
/// `now_unix` decides about next_ms, which is 0 for a trigger that does not come by itself.
boost::json::object ToJson(const Trigger& trigger, std::int64_t now_unix);

template <typename T>
boost::json::array ToJsonArray(const std::vector<T>& things) {
  boost::json::array array;
  for (const T& thing : things) array.push_back(ToJson(thing));
  return array;
}

}  // namespace muster::registry
