#pragma once

#include <CLI/CLI.hpp>
#include <string>

#include "runtime/base/result.h"
#include "runtime/server/gc_worker.h"

namespace muster::cli {

/// What a server deletes for good by itself.
struct GcFlags {
  std::string every, older_than = "30d";
};
/// `flags` must outlive the parsing.
void AddGcFlags(CLI::App& command, GcFlags& flags);
/// kInvalid names the flag.
Result<server::GcSchedule> ScheduleOf(const GcFlags& flags);

}  // namespace muster::cli
