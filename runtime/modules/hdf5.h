#pragma once

#include <filesystem>
#include <memory>
#include <vector>

#include "runtime/base/result.h"
#include "trainer/hdf5/convert.h"
#include "trainer/row_source.h"

/// HDF5 (trainer/hdf5) of the module in `folder`, which is loaded by the first call. Errors are those of the
/// functions of the same name there, and of module.h.

namespace muster::modules {

Result<std::unique_ptr<trainer::RowSource>> OpenDatasetFile(const std::filesystem::path& folder,
                                                            const std::filesystem::path& file);
Result<trainer::hdf5::Converted> ConvertCsv(const std::filesystem::path& folder,
                                            const trainer::hdf5::CsvOptions& options);
Result<trainer::hdf5::Converted> ConvertArrays(const std::filesystem::path& folder,
                                               const trainer::hdf5::ArrayOptions& options);

}  // namespace muster::modules
