#include "runtime/modules/hdf5.h"

#include "runtime/modules/module.h"
#include "trainer/hdf5/module.h"

namespace muster::modules {

using trainer::hdf5::Hdf5Module;

Result<std::unique_ptr<trainer::RowSource>> OpenDatasetFile(const std::filesystem::path& folder,
                                                            const std::filesystem::path& file) {
  MUSTER_ASSIGN_OR_RETURN(const auto* module, Load<Hdf5Module>(folder));
  return module->open_dataset_file(file, {});
}

Result<trainer::hdf5::Converted> ConvertCsv(const std::filesystem::path& folder,
                                            const trainer::hdf5::CsvOptions& options) {
  MUSTER_ASSIGN_OR_RETURN(const auto* module, Load<Hdf5Module>(folder));
  return module->convert_csv(options);
}

Result<trainer::hdf5::Converted> ConvertArrays(const std::filesystem::path& folder,
                                               const trainer::hdf5::ArrayOptions& options) {
  MUSTER_ASSIGN_OR_RETURN(const auto* module, Load<Hdf5Module>(folder));
  return module->convert_arrays(options);
}

}  // namespace muster::modules
