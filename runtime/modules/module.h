#pragma once

#include <filesystem>

#include "runtime/base/result.h"

/// Parts of muster that are files of their own beside the program, and are loaded when they are first needed:
/// few processes need them, and their libraries cost every other one time at its start and memory.
///
/// A module exports one constant table of functions (registry/openvino/module.h, trainer/hdf5/module.h), whose
/// type says where it is found: kFile, kSymbol, and `version`, which is the program's or the module is refused.
/// What the functions give out is a C++ object; both sides are of one build.

namespace muster::modules {

/// The table that `folder`/`file` exports as `symbol`. Any thread. The module stays until the process ends; one
/// that could not be loaded is looked for again at the next call. kIo names the file and the loader's reason.
Result<const void*> LoadTable(const std::filesystem::path& folder, const char* file,
                              const char* symbol);
/// kUnsupported when a module's version is not the program's; names the file and both.
Status CheckVersion(const std::filesystem::path& folder, const char* file, const char* version);

/// As LoadTable and CheckVersion.
template <typename Table>
Result<const Table*> Load(const std::filesystem::path& folder) {
  MUSTER_ASSIGN_OR_RETURN(const void* found, LoadTable(folder, Table::kFile, Table::kSymbol));
  const auto* table = static_cast<const Table*>(found);
  MUSTER_RETURN_IF_ERROR(CheckVersion(folder, Table::kFile, table->version));
  return table;
}

}  // namespace muster::modules
