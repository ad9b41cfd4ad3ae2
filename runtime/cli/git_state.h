#pragma once

#include <filesystem>
#include <optional>

#include "runtime/wire/sweep_spec.h"

namespace muster::cli {

/// The Git repository that `folder` lies in, by its own program: commit, whether anything differs from it (files that
/// are not ignored included), and the difference. Nothing without a repository, a commit or git.
std::optional<wire::CodeSpec> GitState(const std::filesystem::path& folder);

}  // namespace muster::cli
