#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# scripts/check-arrows must be able to say no: each of these breaks a copy of the tree in one way.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT

refuses() { # FILE LINE EXPECTED
  rm -rf "${copy:?}"/*
  mkdir -p "$copy/src" "$copy/$(dirname "$1")"
  cp -r "$root/CMakeLists.txt" "$root/include" "$copy"
  cp -r "$root"/src/. "$copy/src"
  cp -r "$root/cli" "$copy"
  mkdir -p "$copy/benchmarks"
  cp -r "$root/benchmarks/workloads" "$copy/benchmarks"
  echo "$2" >> "$copy/$1"
  local said
  if said=$("$root/scripts/check-arrows" "$copy"); then
    echo "accepted: $2 in $1"
    exit 1
  fi
  if [[ $said != *"$3"* ]]; then
    echo "said '$said', expected '$3'"
    exit 1
  fi
}

refuses src/base/extra.cpp '#include "fs/files.hpp"' 'base/extra.cpp:1: base includes fs/files.hpp'
refuses src/base/extra.cpp '#include "../fs/files.hpp"' 'base/extra.cpp:1: base includes ../fs/files.hpp, not by its name'
refuses src/base/extra.cpp '#include <fs/files.hpp>' 'base/extra.cpp:1: base includes fs/files.hpp, not by its name'
refuses src/codec/extra_test.cpp '#include "rocks/db.hpp"' 'does not name rocks'
refuses src/codec/extra.hpp '#include <rocksdb/db.h>' 'does not name its package'
refuses src/codec/extra.cpp '#include <fmt/format.h>' 'does not name its package'
refuses include/flatkv/extra.hpp '#include "base/bytes.hpp"' 'which is not installed'
refuses CMakeLists.txt 'flatkv_room(fs base rocks)' 'fs names rocks, which is not below it'
refuses CMakeLists.txt 'flatkv_room(fs base blake3)' 'fs names blake3, which it does not include'
refuses CMakeLists.txt 'flatkv_room(blake3 base RocksDB::rocksdb-shared)' \
  'blake3 names RocksDB::rocksdb-shared, which it does not include'
refuses CMakeLists.txt 'flatkv_room(blake3 base TESTS fs)' 'blake3 (TESTS) names fs, which it does not include'
refuses src/scan/extra.hpp '#include "memtable/memtable.hpp"' 'does not name memtable'
refuses src/layout/sundries.cpp '#include "fs/files.hpp"' 'sundries.cpp: no header of this name'
refuses cli/extra.cpp '#include "memtable/memtable.hpp"' 'cli: includes headers of memtable but does not name it'
refuses benchmarks/workloads/CMakeLists.txt \
  'flatkv_uses(flatkv_workloads base commit fs layout lthash memory read store repair)' \
  'flatkv_uses names repair, which it does not include'
echo 'Fifteen breaches refused.'
