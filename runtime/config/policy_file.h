#pragma once

#include <filesystem>
#include <string_view>

#include "registry/approval.h"
#include "runtime/base/result.h"

/// Reads a model's policy of approvals (registry/approval.h) from YAML. Scalars are text as it stands.

namespace muster::config {

/// Errors begin with the file, those of YAML's grammar with line and column too.
Result<registry::ApprovalPolicy> ReadPolicyFile(const std::filesystem::path& file);
/// The same of text; `name` stands in messages.
Result<registry::ApprovalPolicy> ParsePolicy(std::string_view text, std::string_view name);

}  // namespace muster::config
