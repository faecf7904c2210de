# SPDX-License-Identifier: Apache-2.0
"""check-tidy-marks.py TREE COMPILE_COMMANDS FILE...: for each file a hash of all that clang-tidy's verdict depends on: its
version and rules, the file's command, the file, and the headers of ours that it includes, as ninja knows them from the
last build. Of one that is not built as it is now: all headers."""

import functools
import hashlib
import json
import pathlib
import re
import subprocess
import sys

tree, database, *files = sys.argv[1:]
root = pathlib.Path.cwd()


def said_by(*command) -> bytes:
    return subprocess.run(command, capture_output=True, check=True).stdout


rules = said_by("clang-tidy-19", "--version") + pathlib.Path(".clang-tidy").read_bytes()
commands, outputs = {}, {}
for entry in json.loads(pathlib.Path(database).read_text()):
    commands.setdefault(entry["file"], set()).add(re.sub(r" -o .*", "", entry["command"]))
    outputs.setdefault(entry["file"], []).append(re.search(r" -o (\S+)", entry["command"])[1])
included = {}  # by object
for section in said_by("ninja", "-C", tree, "-t", "deps").decode().split("\n\n"):
    name, _, rest = section.strip().partition(": #deps")
    state, *paths = rest.split("\n")
    if "VALID" in state:
        paths = (path.strip() for path in paths)
        included[name] = {(pathlib.Path(tree) / path).resolve() for path in paths if not path.startswith("/usr/")}
headers = {path for ending in ("*.hpp", "*.inc") for path in root.rglob(ending)
           if not path.relative_to(root).parts[0].startswith("build")}


@functools.cache
def content(path: pathlib.Path) -> bytes:
    return hashlib.sha256(path.read_bytes()).digest() if path.exists() else b""


def is_built(file: str) -> bool:
    """Ninja's word is of the last build, whatever has changed since."""
    for output in outputs[file]:
        built = (pathlib.Path(tree) / output).stat().st_mtime_ns
        if any(changed(path) > built for path in included[output]):
            return False
    return True


@functools.cache
def changed(path: pathlib.Path) -> int:
    return path.stat().st_mtime_ns if path.exists() else sys.maxsize


for file in (str(pathlib.Path(file).resolve()) for file in files):
    known = [included.get(output) for output in outputs.get(file, ())]
    used = set().union(*known) if known and all(known) and is_built(file) else headers
    mark = hashlib.sha256(rules + repr(sorted(commands.get(file, ()))).encode())
    for path in sorted({pathlib.Path(file).resolve(), *used}):
        if path.is_relative_to(root):
            mark.update(str(path.relative_to(root)).encode() + b"\0" + content(path))
    print(f"{mark.hexdigest()} {file}")
