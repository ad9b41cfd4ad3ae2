#pragma once

#include <string>

#include "registry/package/package.h"

namespace muster::registry {

/// ml-bom.json: a CycloneDX 1.6 bill of materials (cyclonedx.org/docs/1.6/json) with one component of type
/// machine-learning-model and its modelCard, the data sets, and the engine. Pure.
std::string MlBomText(const PackageSpec& spec);

}  // namespace muster::registry
