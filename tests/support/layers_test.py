"""Holds every #include line against the layer table that CMake wrote to layers.txt.

usage: layers_test.py SOURCE_DIR LAYERS_FILE
"""
import pathlib
import re
import sys

INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"')
TORCH = re.compile(r'^\s*#\s*include\s+[<"](torch|ATen|c10)/')


def main(source, layers_file):
    rank, sideways, torch = {}, set(), []
    for number, line in enumerate(layers_file.read_text().splitlines()):
        name, *folders = line.split()
        if name == "sideways":
            sideways = set(folders)
        elif name == "torch":
            torch = folders
        else:
            rank.update({folder: number for folder in folders})

    def folder_of(path):
        """The longest folder of the table that holds the file; None outside it."""
        parts = path.split("/")[:-1]
        while parts:
            if "/".join(parts) in rank:
                return "/".join(parts)
            parts.pop()
        return None

    wrong, read = [], 0
    for file in sorted(source.glob("*/**/*")):
        name = str(file.relative_to(source))
        if file.suffix not in (".h", ".cc", ".cu") or name.startswith(("build", ".")):
            continue
        read += 1
        own = folder_of(name)
        for number, line in enumerate(file.read_text().splitlines(), 1):
            if TORCH.match(line) and not any(name.startswith(folder + "/") for folder in torch):
                wrong.append(f"{name}:{number}: LibTorch is seen by {', '.join(torch)} only")
            match = INCLUDE.match(line)
            if not match or own is None or name.startswith("tests/"):
                continue
            seen = folder_of(match.group(1))
            if seen is None or seen == own or rank[seen] < rank[own]:
                continue
            if rank[seen] > rank[own] or f"{own}>{seen}" not in sideways:
                wrong.append(f"{name}:{number}: {own} may not see {seen}")
    print("\n".join(wrong) or f"{read} files keep the layers")
    return 1 if wrong or read == 0 else 0


if __name__ == "__main__":
    sys.exit(main(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])))
