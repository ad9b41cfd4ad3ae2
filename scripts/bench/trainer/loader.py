"""Shuffled rows of HDF5 files: muster's reader beside h5py and beside pread of the same rows.

usage: scripts/bench/trainer/loader [--rows N] [--passes N] [--rounds N] [--keep FOLDER]

65,536 rows of 3,072 bytes (201 MB) in every layout, read in one random order, in batches of 256, by one thread,
the files in the page cache. Columns, in thousand rows a second (medians of rounds, taken in turn):
  h5py     the faster of d[row], row by row, and d[sorted rows of a batch], on a part of the rows
  pread    one pread a row at its offset in the same file (compressed ones: in the contiguous file);
           mmap: a memcpy a row from that file mapped
  first    muster, first pass after opening: compressed chunks are decompressed (the cache holds all of them)
  later    muster, later passes
  1/8      muster, later passes, with a cache of decompressed chunks of an eighth of the data
"""

import argparse
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

import h5py
import numpy

WIDTH = 3072
BATCH = 256
LAYOUTS = {
    "contiguous": {},
    "chunks of 1 row": {"chunks": (1, WIDTH)},
    "chunks of 64 rows": {"chunks": (64, WIDTH)},
    "chunks of 1 MB": {"chunks": (341, WIDTH)},
    "chunks that cut rows (256 x 512)": {"chunks": (256, 512)},
    "64 rows, gzip 1": {"chunks": (64, WIDTH), "compression": "gzip", "compression_opts": 1},
    "64 rows, shuffle, gzip 4, fletcher32": {"chunks": (64, WIDTH), "compression": "gzip", "compression_opts": 4,
                                             "shuffle": True, "fletcher32": True},
    "64 rows, lzf": {"chunks": (64, WIDTH), "compression": "lzf"},
}


def make_file(path, rows, layout):
    if path.exists():
        return
    random = numpy.random.default_rng(1)
    with h5py.File(path, "w") as file:
        images = file.create_dataset("images", (rows, WIDTH), dtype="u1", **layout)
        for begin in range(0, rows, 4096):
            count = min(4096, rows - begin)
            # Steps and some noise: gzip takes about half of it, as of photographs.
            steps = random.integers(0, 200, (count, WIDTH // 48), dtype=numpy.uint8).repeat(48, axis=1)
            images[begin:begin + count] = steps + random.integers(0, 16, (count, WIDTH), dtype=numpy.uint8)


def write_offsets(path, out):
    """Of each row; false when rows do not lie whole and uncompressed in the file."""
    with h5py.File(path) as file:
        images = file["images"]
        rows = numpy.arange(len(images))
        if images.compression or (images.chunks or (1, WIDTH))[1] != WIDTH:
            return False
        if images.chunks:
            addresses = numpy.zeros(-(-len(images) // images.chunks[0]), numpy.uint64)
            def note(chunk):
                addresses[chunk.chunk_offset[0] // images.chunks[0]] = chunk.byte_offset
            images.id.chunk_iter(note)
            offsets = addresses[rows // images.chunks[0]] + (rows % images.chunks[0] * WIDTH).astype(numpy.uint64)
        else:
            offsets = images.id.get_offset() + rows * WIDTH
        offsets.astype(numpy.uint64).tofile(out)
    return True


def h5py_rate(path, order):
    """Rows a second, the faster of its two ways; few rows, for it is slow."""
    rates = []
    with h5py.File(path) as file:
        images = file["images"]
        out = numpy.empty((BATCH, WIDTH), numpy.uint8)
        part = order[:2 * BATCH]
        start = time.perf_counter()
        for place, row in enumerate(part.tolist()):
            out[place % BATCH] = images[row]
        rates.append(len(part) / (time.perf_counter() - start))
        start = time.perf_counter()
        for begin in range(0, len(part), BATCH):
            batch = part[begin:begin + BATCH]
            places = numpy.argsort(batch)
            out[places] = images[batch[places]]
        rates.append(len(part) / (time.perf_counter() - start))
    return max(rates)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", type=pathlib.Path, help=argparse.SUPPRESS)
    parser.add_argument("--rows", type=int, default=65536)
    parser.add_argument("--passes", type=int, default=3, help="of muster and pread within a round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--keep", type=pathlib.Path, help="make the files here, and leave them for the next time")
    flags = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        measure(flags, flags.keep or pathlib.Path(temporary))


def measure(flags, folder):
    folder.mkdir(parents=True, exist_ok=True)
    order = numpy.random.default_rng(2).permutation(flags.rows).astype(numpy.uint64)
    order.tofile(folder / "order.bin")
    files = {}
    for number, (name, layout) in enumerate(LAYOUTS.items()):
        files[name] = folder / f"layout-{number}.h5"
        make_file(files[name], flags.rows, layout)
    plain = files["contiguous"]
    print(f"h5py {h5py.version.version} over HDF5 {h5py.version.hdf5_version}; {flags.rows} rows of {WIDTH} bytes; "
          "thousand rows a second", flush=True)
    header = f"{'layout':38}{'h5py':>8}{'pread':>8}{'mmap':>8}{'first':>8}{'later':>8}{'1/8':>8}"
    print(header + f"{'open ms':>9}{'x h5py':>8}{'/ pread':>8}", flush=True)

    def run(path, cache, passes):
        raw = path if write_offsets(path, folder / "offsets.bin") else plain
        write_offsets(raw, folder / "offsets.bin")
        arguments = [flags.program, path, folder / "order.bin", cache, passes, raw, folder / "offsets.bin"]
        return json.loads(subprocess.run([str(a) for a in arguments], check=True, stdout=subprocess.PIPE).stdout)

    for name, path in files.items():
        rounds = []
        for _ in range(flags.rounds):
            one = run(path, 1 << 30, flags.passes)
            one["h5py"] = h5py_rate(path, order)
            if "compression" in LAYOUTS[name] or "cut" in name:
                one["eighth"] = run(path, flags.rows * WIDTH // 8, 1)["later"]
            rounds.append(one)
        def middle(key):
            return statistics.median(one[key] for one in rounds)
        def ratio(over):
            return statistics.median(one["later"] / one[over] for one in rounds)
        def thousands(key):
            return f"{middle(key) / 1000:8.1f}" if key in rounds[0] else f"{'':8}"
        print(f"{name:38}" + "".join(map(thousands, ("h5py", "pread", "mmap", "first", "later", "eighth"))) +
              f"{middle('open_seconds') * 1000:9.1f}{ratio('h5py'):8.1f}{ratio('pread'):8.2f}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
