"""What each consumer has to refuse. A damage changes a copy in place and says what it did."""

import subprocess


def replaced(file, old, new):
    """The first `old` in a file is `new`, of the same length where the file is binary."""

    def damage(path):
        whole = (path / file).read_bytes()
        assert old.encode() in whole, f"{file} has no {old}"
        (path / file).write_bytes(whole.replace(old.encode(), new.encode(), 1))
        return f"{file}: '{old}' is '{new}'"

    return damage


def cut(file):
    """The last hundred bytes of a file are not there."""

    def damage(path):
        (path / file).write_bytes((path / file).read_bytes()[:-100])
        return f"{file} is cut"

    return damage


def without_tag(name):
    def damage(repository):
        subprocess.run(["git", "-C", repository, "tag", "--delete", name], check=True, stdout=subprocess.DEVNULL)
        return f"no tag {name}"

    return damage


def added(path):
    (path / "more.bin").write_bytes(b"more")
    return "more.bin is added"


def removed(path):
    (path / "baseline.json").unlink()
    return "baseline.json is removed"


def renamed(path):
    (path / "conda.yaml").rename(path / "conda.yml")
    return "conda.yaml is conda.yml"


def exchanged(path):
    """Each file's bytes were signed, under the other name."""
    one, other = path / "card.json", path / "baseline.json"
    one_bytes = one.read_bytes()
    one.write_bytes(other.read_bytes())
    other.write_bytes(one_bytes)
    return "card.json and baseline.json are exchanged"


def linked(path):
    """What a link leads to may change unseen."""
    away = path.with_name(path.name + "-away")
    (path / "MLmodel").rename(away)
    (path / "MLmodel").symlink_to(away)
    return "MLmodel is a link"


def of_folder(path):
    (path / "more").mkdir()
    (path / "more" / "more.bin").write_bytes(b"more")
    return "more/more.bin is added"


OF_DIRECTORIES = (added, of_folder, removed, renamed, exchanged, linked)
