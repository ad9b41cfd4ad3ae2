// muster-hdf5.so
#include "trainer/hdf5/module.h"

extern "C" {
extern const muster::trainer::hdf5::Hdf5Module muster_hdf5;
const muster::trainer::hdf5::Hdf5Module muster_hdf5{
    .version = MUSTER_VERSION,
    .open_dataset_file = &muster::trainer::hdf5::OpenDatasetFile,
    .convert_csv = &muster::trainer::hdf5::ConvertCsv,
    .convert_arrays = &muster::trainer::hdf5::ConvertArrays,
};
}
