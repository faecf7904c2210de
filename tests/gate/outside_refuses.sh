#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The checks of what strangers get must be able to say no: to a header that exports nothing, to a
# source without a licence, to libraries with symbols outside of our namespace.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
mkdir -p "$copy/scripts" "$copy/include/flatkv" "$copy/src/base"
cp "$root"/scripts/{lib.sh,check-exports,check-spdx,check-symbols} "$copy/scripts"
cp "$root/.clang-format" "$copy"
cp "$root/include/flatkv/export.hpp" "$copy/include/flatkv"

refuses() { # EXPECTED COMMAND...
  local said expected=$1
  shift
  if said=$("$@" 2>&1); then
    echo "accepted: $*"
    exit 1
  fi
  if [[ $said != *"$expected"* ]]; then
    echo "$* said '$said', expected '$expected'"
    exit 1
  fi
}

header=$copy/include/flatkv/extra.hpp
printf '#pragma once\n\n#include <string>\n\nnamespace flatkv {\n\nstd::string extra();\n\n}  // namespace flatkv\n' \
  > "$header"
refuses 'flatkv/extra.hpp: open it with' "$copy/scripts/check-exports"
"$copy/scripts/check-exports" --fix
"$copy/scripts/check-exports" > /dev/null
grep -qxF 'namespace FLATKV_API flatkv {' "$header"

git -C "$copy" init -q
refuses 'flatkv/extra.hpp: no line `// SPDX' "$copy/scripts/check-spdx"
printf 'int extra(void);\n' > "$copy/include/flatkv/extra.h"
refuses 'flatkv/extra.h: no line `/* SPDX' "$copy/scripts/check-spdx"
printf '#!/usr/bin/env bash\necho\n' > "$copy/scripts/extra"
refuses 'scripts/extra: no line `# SPDX' "$copy/scripts/check-spdx"
"$copy/scripts/check-spdx" --fix > /dev/null
"$copy/scripts/check-spdx" > /dev/null
[[ $(head -2 "$copy/scripts/extra") == '#!'*$'\n# SPDX'* ]]

# libraries LINKED CODE: libflatkv.so and libflatkv.a of that code, hidden but for FLATKV_API.
libraries() {
  printf '#include "flatkv/export.hpp"\n#include <string>\n#include <vector>\n%s\n' \
    'namespace FLATKV_API flatkv { struct CommitStore { static int open(); }; }' \
    'int flatkv::CommitStore::open() { return 1; }' "$2" > "$copy/$1.cpp"
  c++ -std=c++23 -fPIC -fvisibility=hidden -I "$copy/include" -c "$copy/$1.cpp" -o "$copy/$1.o"
  c++ -shared -o "$copy/libflatkv.so" "$copy/$1.o" ${3-}
  rm -f "$copy/libflatkv.a"
  ar qc "$copy/libflatkv.a" "$copy/$1.o"
}
script=-Wl,--version-script=$root/cmake/flatkv.symbols
templates='int grow(std::vector<std::string>& v) { v.emplace_back(); return 1; }'
libraries good "namespace flatkv::base { $templates }" "$script"
"$copy/scripts/check-symbols" "$copy" > /dev/null
libraries good "namespace flatkv::base { $templates }"
refuses 'libflatkv.so shows what is not in namespace' "$copy/scripts/check-symbols" "$copy"
libraries good 'namespace flatkv::base { FLATKV_API int inner() { return 1; } }' "$script"
refuses 'no public header declares' "$copy/scripts/check-symbols" "$copy"
libraries good 'extern "C" int hash_many() { return 1; }' "$script"
refuses 'libflatkv.a defines what is not in namespace' "$copy/scripts/check-symbols" "$copy"
libraries good 'inline int f() { return 1; } int flatkv_f() __asm__("_ZN6flatkv1fEv"); int flatkv_f() { return f(); }' \
  "$script"
refuses 'defines weakly what is of no header' "$copy/scripts/check-symbols" "$copy"
libraries avx2 "namespace flatkv::base { $templates }" "$script"
refuses 'compiled for one instruction set' "$copy/scripts/check-symbols" "$copy"
echo 'Nine breaches refused.'
