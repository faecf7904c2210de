# SPDX-License-Identifier: Apache-2.0
"""planted_race.py LIBRARY FUNCTION STORE: calls a function of planted_race.cpp, made into LIBRARY, in two threads of
Python. A detector of races that works ends it with a report: scripts/test-python tsan."""

import ctypes
import sys
import threading

library, function, store = sys.argv[1:]
native = ctypes.CDLL(library)
native.planted_iterator.restype = ctypes.c_void_p
iterator = ctypes.c_void_p(native.planted_iterator(store.encode()))
assert iterator
threads = [threading.Thread(target=getattr(native, function), args=[iterator]) for _ in range(2)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print("nothing was found")
