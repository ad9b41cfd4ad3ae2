"""Reads one float dataset of an HDF5 file through the C library (there is no h5py among the test pins)."""

import ctypes
import ctypes.util

import numpy

_ALL = ctypes.c_int64(0)


def images(path, name="images"):
    """The dataset as a float32 array of its own shape."""
    found = ctypes.util.find_library("hdf5_serial") or ctypes.util.find_library("hdf5")
    if not found:
        raise RuntimeError("libhdf5 is not installed")
    library = ctypes.CDLL(found)
    for function in ("H5Fopen", "H5Dopen2", "H5Dget_space"):
        getattr(library, function).restype = ctypes.c_int64
    library.H5open()
    native_float = ctypes.c_int64.in_dll(library, "H5T_NATIVE_FLOAT_g")
    file = ctypes.c_int64(library.H5Fopen(path.encode(), 0, _ALL))
    dataset = ctypes.c_int64(library.H5Dopen2(file, name.encode(), _ALL))
    space = ctypes.c_int64(library.H5Dget_space(dataset))
    if min(file.value, dataset.value, space.value) < 0:
        raise RuntimeError(f"{path} has no readable dataset {name}")
    shape = (ctypes.c_uint64 * library.H5Sget_simple_extent_ndims(space))()
    library.H5Sget_simple_extent_dims(space, shape, None)
    rows = numpy.empty(tuple(shape), dtype=numpy.float32)
    read = library.H5Dread(dataset, native_float, _ALL, _ALL, _ALL,
                           rows.ctypes.data_as(ctypes.c_void_p))
    if read < 0:
        raise RuntimeError(f"dataset {name} of {path} cannot be read")
    return rows
