# SPDX-License-Identifier: Apache-2.0
"""Bad input has the codes that the headers of C++ promise, and changes nothing."""

import gc
import json
import os
import pathlib
import pickle
import subprocess

import pytest

import flatkv
from flatkv._errors import CLASSES
from support import ADDRESS, make_store, open_store

NONCE = flatkv.nonce_key(ADDRESS)
EIGHT = 8 * b"\1"


@pytest.fixture
def path(tmp_path) -> pathlib.Path:
    make_store(tmp_path / "store", "mixed", last=20).close()
    return tmp_path / "store"


def refused(code: str, call, *arguments, **options) -> flatkv.Error:
    with pytest.raises(flatkv.Error) as caught:
        call(*arguments, **options)
    assert caught.value.code == code, str(caught.value)
    assert type(caught.value) is CLASSES[code]
    return caught.value


WRITES = {
    "an empty key": [(b"", b"value")],
    "a key that is too long": [(bytes(65537), b"value")],
    "a value that is too long": [(b"key", bytes(64 * 2**20 + 1))],
    "a nonce of seven bytes": [(NONCE, 7 * b"\1")],
    "a balance of nine bytes": [(flatkv.balance_key(ADDRESS), 9 * b"\1")],
    "a code hash of one byte": [(flatkv.code_hash_key(ADDRESS), b"\1")],
    "a bad pair after a good one": [(NONCE, EIGHT), (b"", b"value")],
    "no hex": [("0g", b"value")],
    "half a byte of hex": [("abc", b"value")],
    "a pair of three": [(NONCE, EIGHT, EIGHT)],
}


@pytest.mark.parametrize("what", WRITES)
def test_writes(path, what):
    with open_store(path) as store:
        store.apply([("evm", [(NONCE, EIGHT)])])
        working = store.working_roots()
        refused("invalid_argument", store.apply, [("evm", WRITES[what])])
        assert store.working_roots() == working, "nothing has changed"


def test_strict(tmp_path):
    with open_store(tmp_path / "store", create=True, strict=True) as store:
        for change_sets in ([("evm", [(NONCE[:-1], EIGHT)])], [("bank", [(NONCE, EIGHT)])]):
            refused("invalid_argument", store.apply, change_sets)
        assert not store.has_pending
        store.commit()
    with open_store(tmp_path / "store") as store:
        store.apply([("bank", [(NONCE, EIGHT)])])
        assert not store.has_pending


def test_versions(path):
    with open_store(path) as store:
        for version in (19, 20, 22, 0, -1):
            error = refused("version_mismatch", store.commit, version)
        assert store.version == 20
        refused("version_mismatch", store.rollback, 21)
        refused("version_mismatch", store.view, 0)
    error = refused("version_mismatch", flatkv.open_read_only, path, at=21)
    assert error.version == 21 and error.path == str(path) and "20" in error.message
    refused("version_mismatch", flatkv.roots, path, at=21)
    refused("log_gap", flatkv.log, path, first=22)


def test_stores(path, tmp_path):
    error = refused("not_found", flatkv.open, tmp_path / "none")
    assert isinstance(error, FileNotFoundError) and error.filename == error.path == str(tmp_path / "none")
    for call in (flatkv.open_read_only, flatkv.log, flatkv.roots):
        refused("not_found", call, tmp_path / "none")
    assert not (tmp_path / "none").exists()
    refused("invalid_argument", flatkv.create, path)
    with open_store(path):
        refused("locked", flatkv.open, path)
        flatkv.open_read_only(path).close()


def test_options(tmp_path):
    for options in ({"account_rows": "some"}, {"durability": "none"}, {"threads": 1025}, {"rollback_depth": 65537},
                    {"initial_version": 0}):
        error = refused("invalid_argument", flatkv.open, tmp_path / "store", create=True, **options)
        assert isinstance(error, ValueError)
    assert not (tmp_path / "store").exists()


def test_arguments(path):
    with open_store(path) as store:
        refused("invalid_argument", store.account, ADDRESS[:-1])
        refused("invalid_argument", store.storage, ADDRESS, 2**256)
        refused("invalid_argument", store.storage, ADDRESS, -1)
        refused("invalid_argument", store.get, b"")
        refused("invalid_argument", store.rows, "metadata")
        refused("invalid_argument", store.rows, "accounts")
        refused("invalid_argument", store.verify, threads=2000)
        refused("invalid_argument", store.view().stats, "metadata")
        refused("invalid_argument", flatkv.Block().set_balance, ADDRESS, 2**256)
        for call in (lambda: store.get(7), lambda: store.account(None), lambda: store.apply(7),
                     lambda: store.apply([(7, [])]), lambda: store.commit("1"), lambda: flatkv.open(7)):
            with pytest.raises(TypeError):
                call()


def test_damage(path):
    segment = min(path.glob("gen-*/changelog/*.log"))
    data = bytearray(segment.read_bytes())
    data[len(data) // 2] ^= 1  # in a block in the middle
    segment.write_bytes(data)
    log = flatkv.log(path, changes=True)
    error = refused("corruption", lambda: list(log))
    assert error.path == str(segment) and 0 < error.offset <= len(data) // 2
    assert 1 < error.version < 20
    assert str(segment) in str(error) and str(error).startswith("corruption: ")


def test_damage_is_a_verdict(path):
    table = max(path.glob("gen-*/working/storage/*.sst"), key=lambda table: table.stat().st_size)
    data = bytearray(table.read_bytes())
    data[len(data) // 4] ^= 1  # of a row: an open does not read it
    table.write_bytes(data)
    with open_store(path) as store:
        report = store.verify()
    bad = [verdict for verdict in report.databases if not verdict.good]
    assert not report.good and [verdict.database for verdict in bad] == ["storage"]
    assert isinstance(bad[0].error, flatkv.CorruptionError)


def test_a_copy_through_pickle():
    error = flatkv.NotFoundError("not_found", "no store", "/nowhere", "account", 7, 9)
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is type(error) and vars(copy) == vars(error) and str(copy) == str(error)
    assert str(error) == "not_found: no store (path: /nowhere, database: account, version: 7, offset: 9)"


def test_every_code_has_a_class():
    header = (pathlib.Path(__file__).parents[3] / "include/flatkv/error.hpp").read_text()
    body = header[header.index("enum class ErrorCode"):]
    codes = [line.split(",")[0].strip() for line in body[:body.index("};")].splitlines()[1:] if "," in line]
    assert list(CLASSES) == codes


def test_a_name_that_is_no_utf8(tmp_path):
    name = os.fsdecode(os.fsencode(tmp_path) + b"/\xff")
    assert refused("not_found", flatkv.open, name).path == name


def test_the_same_as_the_program(path, tmp_path):
    """What the program says of the same input, by C++: code, path, version and offset."""
    program = os.environ.get("FLATKV")
    if program is None:
        pytest.skip("FLATKV does not name the program")
    store, none, state = str(path), str(tmp_path / "none"), str(tmp_path / "state")
    open_store(store).export(state)
    data = bytearray(pathlib.Path(state).read_bytes())
    data[-40] ^= 1
    pathlib.Path(state).write_bytes(data)
    cases = [
        (["root", none], lambda: flatkv.roots(none)),
        (["root", store, "--at", "99"], lambda: flatkv.roots(store, at=99)),
        (["get", none, "--account", ADDRESS.hex()], lambda: flatkv.open_read_only(none)),
        (["rows", store, "--at", "99"], lambda: flatkv.open_read_only(store, at=99)),
        (["init", store], lambda: flatkv.create(store)),
        (["rollback", store, "99"], lambda: open_store(store).rollback(99)),
        (["check", state], lambda: flatkv.check_state(state)),
        (["check", none], lambda: flatkv.check_state(none)),
        (["import", state, none], lambda: flatkv.import_state(state, none)),
        (["import", state, store], lambda: flatkv.import_state(state, store)),
    ]
    for arguments, call in cases:
        said = subprocess.run([program, *arguments, "--json"], capture_output=True, text=True, check=False).stdout
        expected = json.loads(said.splitlines()[-1])["error"]
        with pytest.raises(flatkv.Error) as caught:
            call()
        gc.collect()
        for field in ("code", "path", "database", "version", "offset"):
            assert getattr(caught.value, field) == expected.get(field), (arguments, field, str(caught.value), said)
