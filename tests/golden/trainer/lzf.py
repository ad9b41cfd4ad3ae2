"""Writes lzf.h5 beside this file, with h5py 3.16 (scripts/setup --bench): the C library has no LZF."""

import pathlib

import h5py
import numpy

ROWS = 40
# (r + c) % 5 compresses well; rows 8 to 15 do not, so that their chunk goes past the filter.
pattern = (numpy.add.outer(numpy.arange(ROWS), numpy.arange(96)) % 5).astype(numpy.uint8)
noise = numpy.arange(8 * 96, dtype=numpy.uint32).reshape(8, 96) * numpy.uint32(2654435761)
pattern[8:16] = (noise ^ noise >> 15) * numpy.uint32(2246822519) >> 24
numbers = numpy.arange(ROWS * 6, dtype=numpy.int32).reshape(ROWS, 2, 3)

with h5py.File(pathlib.Path(__file__).with_name("lzf.h5"), "w") as file:
    file.create_dataset("bytes", data=pattern, chunks=(8, 96), compression="lzf")
    file.create_dataset("numbers", data=numbers, chunks=(16, 2, 2), compression="lzf", shuffle=True, fletcher32=True)
