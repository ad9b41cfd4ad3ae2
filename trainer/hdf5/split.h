#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "trainer/hdf5/convert.h"
#include "trainer/row_source.h"

/// Dealing rows out to splits and shards, and writing them; how convert.h describes it.

namespace muster::trainer::hdf5 {

/// kInvalid: fractions, roles, numbers of shards, chunks or compression that make no sense.
Status CheckOutput(const OutputOptions& options);

/// The column `name` of `rows` when it holds one whole number a row; else nothing.
Result<std::vector<std::int64_t>> ReadLabels(const RowSource& rows, const std::string& name);

/// Writes <stem>[-<role>][-<i>-of-<shards>].h5. `labels` is empty or one a row. Nothing is written when it refuses.
Result<std::vector<ConvertedFile>> WriteSplits(const RowSource& rows,
                                               std::span<const std::int64_t> labels,
                                               const OutputOptions& options,
                                               const std::filesystem::path& stem);

}  // namespace muster::trainer::hdf5
