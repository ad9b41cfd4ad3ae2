"""Big libraries are loaded by what needs them alone: every muster command starts without them.

usage: libraries_test.py BIN_DIR
"""
import pathlib
import re
import subprocess
import sys

# A part of a library's name, and the files of BIN_DIR that may load it, with all that they pull in.
OWNERS = {
    "libopenvino": ["muster-openvino.so"],
    "libtbb": ["muster-openvino.so"],
    "libhdf5": ["muster-hdf5.so"],
    "libcurl": ["muster-hdf5.so"],
    "libtorch": [],
    "libc10": [],
    "libmpi": [],
}
FILES = ["muster", "muster-shim", "muster-openvino.so", "muster-hdf5.so"]


def libraries(file):
    listed = subprocess.run(["ldd", file], capture_output=True, text=True)
    if "not a dynamic executable" in listed.stdout + listed.stderr:
        return []
    listed.check_returncode()
    return re.findall(r"^\s*(\S+)", listed.stdout, re.MULTILINE)


def main(bin_dir):
    loaded = {name: libraries(bin_dir / name) for name in FILES}
    wrong = []
    for part, owners in OWNERS.items():
        for name in FILES:
            found = [library for library in loaded[name] if library.startswith(part)]
            if found and name not in owners:
                wrong.append(f"{name} loads {', '.join(found)}")
        # Else the name above is not the library's any more, and the rule holds nothing.
        for name in owners:
            if not any(library.startswith(part) for library in loaded[name]):
                wrong.append(f"{name} does not load {part}*")
    print("\n".join(wrong) or f"{len(loaded['muster'])} libraries of muster are the small ones")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(pathlib.Path(sys.argv[1])))
