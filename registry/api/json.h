#pragma once

#include <boost/json/object.hpp>
#include <optional>
#include <string>

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
boost::json::object ToJson(const Step& step);
/// "2026-11-24 03:00:00Z guard: cooldown: ...; held back: none before ...", for people.
std::string LineOf(const Step& step);
/// With the keys of wire::RetrainSpec; `next_unix`: when it comes by itself, shown as next_ms, 0: never.
boost::json::object ToJson(const Trigger& trigger, std::optional<std::int64_t> next_unix);

template <typename T>
boost::json::array ToJsonArray(const std::vector<T>& things) {
  boost::json::array array;
  for (const T& thing : things) array.push_back(ToJson(thing));
  return array;
}

}  // namespace muster::registry
