# SPDX-License-Identifier: Apache-2.0
"""The library's failures as exceptions: one class for each code, which is also a class of Python's
own where that has one for the same thing."""

from __future__ import annotations

import errno


class Error(Exception):
    """A failure of the library. `code` says of which kind; never branch on `message`."""

    code: str
    message: str
    path: str | None
    database: str | None
    version: int | None
    offset: int | None
    """Byte offset in the file `path`."""

    def __init__(self, code: str, message: str, path: str | None = None, database: str | None = None,
                 version: int | None = None, offset: int | None = None) -> None:
        # All of them, so that a copy through pickle is whole.
        super().__init__(code, message, path, database, version, offset)
        self.code, self.message, self.path = code, message, path
        self.database, self.version, self.offset = database, version, offset

    def __str__(self) -> str:
        places = (("path", self.path), ("database", self.database), ("version", self.version),
                  ("offset", self.offset))
        known = [f"{name}: {value}" for name, value in places if value is not None]
        return f"{self.code}: {self.message}" + (f" ({', '.join(known)})" if known else "")


class SystemFailure(Error, OSError):
    """What Python has an OSError for, with that one's attributes."""

    _number = errno.EIO

    def __init__(self, code: str, message: str, path: str | None = None, database: str | None = None,
                 version: int | None = None, offset: int | None = None) -> None:
        super().__init__(code, message, path, database, version, offset)
        self.errno, self.strerror, self.filename = self._number, message, path


class InvalidArgumentError(Error, ValueError):
    """The caller's input is wrong; nothing has changed."""


class NotFoundError(SystemFailure, FileNotFoundError):
    """There is no such store, file, version or snapshot."""

    _number = errno.ENOENT


class LockedError(Error):
    """Another handle, in any process, has the store open."""


class CorruptionError(Error):
    """Bytes on disk are not what was written."""


class LogGapError(Error):
    """Versions that are needed are missing from the log."""


class LogBehindError(Error):
    """The log ends below what is known to be durable."""


class VersionMismatchError(Error):
    """A version other than the expected one."""


class FormatTooNewError(Error):
    """Written by a newer FlatKV."""


class ForeignStoreError(Error):
    """Belongs to another store."""


class ImportIncompleteError(Error):
    """An import was interrupted, and there is no other data here."""


class StoreFailedError(Error):
    """An earlier failure poisoned the store, or it is closed."""


class IoError(SystemFailure):
    """The operating system failed."""


class NoSpaceError(SystemFailure):
    """The disk or a configured limit is full."""

    _number = errno.ENOSPC


class PermissionDeniedError(SystemFailure, PermissionError):
    """The operating system refused access."""

    _number = errno.EACCES


class CancelledError(Error):
    """The caller asked to stop, or the store is being closed."""


class UnsupportedError(Error):
    """Not possible on this machine or in this mode."""


class OutOfMemoryError(Error, MemoryError):
    """An allocation failed."""


class StaleError(Error):
    """Stands on a block that is not the last committed one any more."""


CLASSES: dict[str, type[Error]] = {
    "invalid_argument": InvalidArgumentError,
    "not_found": NotFoundError,
    "locked": LockedError,
    "corruption": CorruptionError,
    "log_gap": LogGapError,
    "log_behind": LogBehindError,
    "version_mismatch": VersionMismatchError,
    "format_too_new": FormatTooNewError,
    "foreign_store": ForeignStoreError,
    "import_incomplete": ImportIncompleteError,
    "store_failed": StoreFailedError,
    "io": IoError,
    "no_space": NoSpaceError,
    "permission": PermissionDeniedError,
    "cancelled": CancelledError,
    "unsupported": UnsupportedError,
    "out_of_memory": OutOfMemoryError,
    "stale": StaleError,
}


def error_of(code: str, message: str, path: str | None, database: str | None, version: int | None,
             offset: int | None) -> Error:
    """A library that is newer than this file may have further codes."""
    return CLASSES.get(code, Error)(code, message, path, database, version, offset)
