#pragma once

#include <filesystem>
#include <string_view>

#include "cluster/slurm_profile.h"
#include "runtime/base/result.h"

/// Reads what a site's Slurm wants said (cluster/slurm_profile.h) from YAML, whose keys are the struct's; `limits.time`
/// is a time with a unit. Text is as it stands, so that an account may be a number.

namespace muster::config {

/// Errors begin with file, line and column.
Result<cluster::SlurmProfile> ReadSlurmProfile(const std::filesystem::path& file);
/// The same of text; `name` stands in messages.
Result<cluster::SlurmProfile> ParseSlurmProfile(std::string_view text, std::string_view name);

}  // namespace muster::config
