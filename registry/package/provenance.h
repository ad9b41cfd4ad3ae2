#pragma once

#include <boost/json/object.hpp>
#include <string>
#include <string_view>

#include "registry/package/package.h"

namespace muster::registry {

/// provenance.json: an in-toto Statement v1 (in-toto/attestation, spec/v1) with SLSA provenance v1
/// (slsa.dev/spec/v1.0/provenance) about model.onnx: the sweep's trial as the build, data sets and checkpoint as
/// what it was resolved from. It is signed as every file is, by model.sig. Pure.
std::string ProvenanceText(const PackageSpec& spec);

/// in-toto's DigestSet: "sha256:ab12" is {"sha256": "ab12"}, 64 hex digits are a SHA-256, 40 a gitCommit; anything
/// else is no digest that a stranger can check, and the set is empty.
boost::json::object DigestSet(std::string_view digest);

}  // namespace muster::registry
