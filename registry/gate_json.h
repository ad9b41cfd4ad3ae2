#pragma once

#include <boost/json/value.hpp>
#include <vector>

#include "registry/model_store.h"

/// Verdicts as JSON, keys in byte order: [{"detail","gate","passed","seen","wanted"}]. Pure.

namespace muster::registry {

boost::json::value GatesToJson(const std::vector<GateVerdict>& verdicts);
Result<std::vector<GateVerdict>> GatesFromJson(const boost::json::value& json);

}  // namespace muster::registry
