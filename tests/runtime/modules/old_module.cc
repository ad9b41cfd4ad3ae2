#include "trainer/hdf5/module.h"

extern "C" {
extern const muster::trainer::hdf5::Hdf5Module muster_hdf5;
const muster::trainer::hdf5::Hdf5Module muster_hdf5{
    .version = "0.0.1", .open_dataset_file = nullptr, .convert_csv = nullptr};
}
