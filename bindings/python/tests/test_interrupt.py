# SPDX-License-Identifier: Apache-2.0
"""A signal, sent to a child that is in long work, stops it; so does an exception of its progress call."""

import signal

import pytest

import flatkv
from support import make_store, open_store, python

# The first call of `progress` says so and waits, without the interpreter's lock, until the handler of the signal
# has run. That can only happen in the main thread, which waits for the work. The work must see the stop
# after that and may not end as if nothing had been.
SCRIPT = """
import signal, sys, threading
import flatkv

handled = threading.Event()
calls = []

def handler(number, frame):
    handled.set()
    signal.default_int_handler(number, frame)

def progress(step, done, total):
    calls.append((done, total))
    if len(calls) == 1:
        print("started", flush=True)
        if not handled.wait(60):
            print("no handler ran", flush=True)

signal.signal(signal.SIGINT, handler)
path, work, target = sys.argv[1:]
try:
    if work == "verify":
        flatkv.open(path, row_cache_bytes=1 << 20).verify(threads=1, rows_per_second=1_000_000, progress=progress)
    elif work == "export":
        flatkv.open(path, row_cache_bytes=1 << 20).export(target, progress=progress)
    elif work == "import":
        flatkv.import_state(path + ".state", target, progress=progress)
    elif work == "check":
        flatkv.check_state(path + ".state", progress=progress)
    elif work == "diff":
        next(flatkv.diff(path, path, progress=progress))
    print("not stopped", calls)
except KeyboardInterrupt:
    print("stopped", calls[-1][0] < calls[-1][1])
"""


def nothing_at(path) -> bool:
    """No file, and no store: an import that was given up leaves an empty folder, with its lock."""
    return not path.is_file() and {file.name for file in path.glob("*")} <= {"LOCK"}


@pytest.fixture(scope="module")
def big(tmp_path_factory):
    path = tmp_path_factory.mktemp("big") / "store"
    with make_store(path, "mainnet", last=1) as store:
        store.export(f"{path}.state")
    return path


@pytest.mark.parametrize("work", ["verify", "export", "import", "check", "diff"])
def test_ctrl_c(big, tmp_path, work):
    target = tmp_path / "target"
    child = python(SCRIPT, big, work, target)
    assert child.stdout is not None and child.stdout.readline() == "started\n", child.communicate()
    child.send_signal(signal.SIGINT)
    out, err = child.communicate(timeout=120)
    assert (out, err) == ("stopped True\n", "")
    assert nothing_at(target)
    with open_store(big) as store:
        assert store.version == 1


def test_ctrl_c_without_a_handler_of_ours(big):
    """As at a terminal."""
    child = python("import flatkv, sys\n"
                   "flatkv.open(sys.argv[1], row_cache_bytes=1 << 20).verify(threads=1, rows_per_second=1000,\n"
                   "    progress=lambda *_: print('started', flush=True))\n", big)
    assert child.stdout is not None and child.stdout.readline() == "started\n", child.communicate()
    child.send_signal(signal.SIGINT)
    _, err = child.communicate(timeout=60)
    assert child.returncode == -signal.SIGINT and "KeyboardInterrupt" in err


def test_an_exception_of_progress(big, tmp_path):
    def progress(step, done, total):
        raise ZeroDivisionError(step)

    with open_store(big) as store, store.view() as view:
        for call in (lambda: store.verify(progress=progress), lambda: view.verify(progress=progress),
                     lambda: store.export(tmp_path / "state", progress=progress),
                     lambda: list(flatkv.diff(store, view, progress=progress)),
                     lambda: flatkv.check_state(f"{big}.state", progress=progress),
                     lambda: flatkv.import_state(f"{big}.state", tmp_path / "other", progress=progress)):
            with pytest.raises(ZeroDivisionError):
                call()
    assert nothing_at(tmp_path / "state") and nothing_at(tmp_path / "other")


def test_progress_counts(big):
    calls = []
    with open_store(big) as store:
        assert store.verify(progress=lambda *call: calls.append(call)).good
    assert calls and all(done <= total for _, done, total in calls) and calls[-1][1] > 19000
