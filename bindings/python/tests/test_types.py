# SPDX-License-Identifier: Apache-2.0
"""The stubs are there, say what is true, and mypy understands them."""

import os
import pathlib
import re
import subprocess
import sys

import pytest

import flatkv

HERE = pathlib.Path(__file__).parent


@pytest.fixture(scope="module")
def mypy(tmp_path_factory):
    """Runs it or its kin. They share what they have read, most of which is NumPy's."""
    environment = {**os.environ, "MYPY_CACHE_DIR": str(tmp_path_factory.mktemp("mypy"))}

    def run(*arguments: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run([sys.executable, "-m", *map(str, arguments)], cwd=HERE.parent, env=environment,
                              capture_output=True, text=True, check=False)

    return run


def test_the_package_is_typed():
    package = pathlib.Path(flatkv.__file__).parent
    assert (package / "py.typed").exists()
    stub = (package / "_flatkv.pyi").read_text()
    for name in flatkv.__all__:
        if getattr(flatkv, name).__module__ == "flatkv._flatkv":
            assert re.search(rf"^(class|def) {name}\b", stub, re.MULTILINE), name


def test_use(mypy):
    done = mypy("mypy", "--strict", HERE / "typed_use.py")
    found = {int(line) for line in re.findall(r"^\S*typed_use\.py:(\d+): error", done.stdout, re.MULTILINE)}
    wanted = {number for number, line in enumerate((HERE / "typed_use.py").read_text().splitlines(), 1)
              if "# WRONG" in line}
    assert found == wanted, done.stdout + done.stderr
    assert "typed_use.py" in done.stdout and not re.search(r"^(?!\S*typed_use)\S+: error", done.stdout, re.MULTILINE)


def test_the_package_itself(mypy):
    done = mypy("mypy", "--strict", "-p", "flatkv")
    assert done.returncode == 0, done.stdout + done.stderr
