#pragma once

#include "trainer/hdf5/convert.h"
#include "trainer/hdf5/dataset_file.h"

namespace muster::trainer::hdf5 {

/// What the module exports; runtime/modules loads it.
struct Hdf5Module {
  static constexpr const char* kFile = "muster-hdf5.so";
  static constexpr const char* kSymbol = "muster_hdf5";

  const char* version;  ///< of muster
  decltype(&OpenDatasetFile) open_dataset_file;
  decltype(&ConvertCsv) convert_csv;
  decltype(&ConvertArrays) convert_arrays;
};

}  // namespace muster::trainer::hdf5
