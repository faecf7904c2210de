# SPDX-License-Identifier: Apache-2.0
"""FlatKV, a state commitment store for EVM chains: read, check, move and make states from Python.

Bytes are passed as bytes or as a str of hex digits, with or without "0x". Every failure of the library
is an `Error`. Work that may take long lets other threads run and stops at Ctrl-C."""

from ._blocks import read_blocks
from ._diff import diff
from ._errors import (CancelledError, CorruptionError, Error, ForeignStoreError, FormatTooNewError,
                      ImportIncompleteError, InvalidArgumentError, IoError, LockedError, LogBehindError,
                      LogGapError, NoSpaceError, NotFoundError, OutOfMemoryError, PermissionDeniedError,
                      StaleError, StoreFailedError, UnsupportedError, VersionMismatchError)
from ._flatkv import (Account, Block, ChangeEvent, Changes, Column, CommitTimings, DatabaseVerdict,
                      Difference, FlushMetrics, Log, LogBlock, Metrics, OpenReport, Overlay,
                      PrefetchMetrics, ReadOnlyStore, Repaired, Roots, Rows, ScrubFinding, ScrubStatus,
                      Stats, Store, StreamSummary, Subscription, VerifyReport, View, balance_key,
                      check_state, checksum, code_hash_key, code_key, create, import_state, keccak256,
                      library_version, log, nonce_key, open, open_read_only, remedies, repair, rollback,
                      roots, storage_key)

__version__ = library_version()

__all__ = [
    "Account", "Block", "CancelledError", "ChangeEvent", "Changes", "Column", "CommitTimings",
    "CorruptionError", "DatabaseVerdict", "Difference", "Error", "FlushMetrics", "ForeignStoreError",
    "FormatTooNewError", "ImportIncompleteError", "InvalidArgumentError", "IoError", "LockedError", "Log",
    "LogBehindError", "LogBlock", "LogGapError", "Metrics", "NoSpaceError", "NotFoundError", "OpenReport",
    "OutOfMemoryError", "Overlay", "PermissionDeniedError", "PrefetchMetrics", "ReadOnlyStore", "Repaired",
    "Roots", "Rows", "ScrubFinding", "ScrubStatus", "StaleError", "Stats", "Store", "StoreFailedError",
    "StreamSummary", "Subscription", "UnsupportedError", "VerifyReport", "VersionMismatchError", "View",
    "balance_key", "check_state", "checksum", "code_hash_key", "code_key", "create", "diff", "import_state",
    "keccak256", "library_version", "log", "nonce_key", "open", "open_read_only", "read_blocks", "remedies",
    "repair", "rollback", "roots", "storage_key",
]
