#pragma once

#include <boost/json/value.hpp>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/result.h"
#include "runtime/wire/sweep_spec.h"

/// Gates as people write them: a list of what registry/gates.h names, where `parity` may be a bare word and `size` has a
/// unit ("4MiB").

namespace muster::config {

/// Reads a model's gate file, `gates:` with the list and nothing else, and checks it. Errors are whole sentences with
/// the place: "gates.yaml:3:12: gates[1].margin: wanted a number from 0 to 1e+09, got -1". `name` stands in them.
Result<std::vector<wire::GateSpec>> ParseGateFile(std::string_view text, std::string_view name);

/// The list's conveniences to the spec's own form; `path` is where it stands ("model.gates"). Leaves what is no
/// list of maps to the codec. Private to this folder.
Status NormaliseGates(boost::json::value& gates, const std::string& path,
                      std::map<std::string, std::string>& places);

}  // namespace muster::config
