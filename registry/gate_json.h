#pragma once

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <string>
#include <vector>

#include "registry/model_store.h"

/// Verdicts as JSON. Canonical as it stands (keys in byte order, nothing that is empty), so that its bytes can be signed:
///
///   [{"detail", "gate", "interval"?: {"confidence", "high", "low"}, "kind"?, "method"?, "passed", "rows"?,
///     "rows_sha256"?, "seen", "wanted"}]
///
/// Pure.

namespace muster::registry {

boost::json::value GatesToJson(const std::vector<GateVerdict>& verdicts);
Result<std::vector<GateVerdict>> GatesFromJson(const boost::json::value& json);

/// A gate file to be kept: kInvalid when its text is too long or `gates_json` is no JSON, which becomes canonical.
Result<GateFile> CheckGateFile(std::string_view text, std::string_view gates_json);

/// What a verdict has beside detail, gate, passed, seen and wanted, as canonical text; "{}": nothing.
std::string EvidenceText(const GateVerdict& verdict);
/// Fills in what EvidenceText wrote.
Status ReadEvidence(std::string_view text, GateVerdict& verdict);

}  // namespace muster::registry
