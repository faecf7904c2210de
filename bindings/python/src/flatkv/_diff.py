# SPDX-License-Identifier: Apache-2.0
"""What two states have different."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from typing import Union

from ._flatkv import Difference, ReadOnlyStore, Store, View, Differences, open_read_only

State = Union[Store, ReadOnlyStore, View, str, "os.PathLike[str]"]


def diff(a: State, b: State, *, database: str | None = None,
         progress: Callable[[str, int, int], object] | None = None) -> Iterator[Difference]:
    """The rows that differ between two committed states, in key order within each database.

    A state is a store, a view, or the path of a store, of which the newest version is read. Scans both
    whole once, and then only where they differ. Stops at Ctrl-C."""
    with contextlib.ExitStack() as open_states:
        def view_of(state: State) -> View:
            if isinstance(state, View):
                return state
            if not isinstance(state, (Store, ReadOnlyStore)):
                state = open_states.enter_context(open_read_only(state))
            return open_states.enter_context(state.view())

        yield from Differences(view_of(a), view_of(b), database, progress)
