# SPDX-License-Identifier: Apache-2.0
"""Where the programs of Prometheus are."""

import os
import pathlib
import shutil


def tool(name: str) -> str | None:
    """`prometheus` or `promtool`: the system's, or the one that scripts/bootstrap unpacked; None without either."""
    caches = os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
    cache = pathlib.Path(os.environ.get("FLATKV_CACHE") or pathlib.Path(caches) / "flatkv")
    return shutil.which(name) or shutil.which(name, path=cache / "prometheus/usr/bin")
