# SPDX-License-Identifier: Apache-2.0
# Shared by the scripts beside it; sourced, never run.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)

heading() {
  printf '\n== %s\n' "$*"
}

die() {
  printf '%s: %s\n' "$(basename "$0")" "$*" >&2
  exit 1
}

# For what cannot run here: says what is missing, and ends with the status that ctest takes for it.
skip() {
  echo "$(basename "$0"): skipped: $*"
  if [[ -n ${FLATKV_FAULT_COUNTS:-} ]]; then echo "SKIPPED $*" > "$FLATKV_FAULT_COUNTS"; fi
  exit 77
}

# quietly COMMAND...: its output only where it fails.
quietly() {
  local output
  output=$("$@" 2>&1) || {
    printf '%s\n' "$output"
    die "failed: $*"
  }
}

# The folder of the user for what tests take from elsewhere.
test_tools() {
  echo "${FLATKV_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/flatkv}"
}

# Sets and exports VERSITYGW, an S3 server, which it builds with Go where it is not there yet. Fails where that cannot be.
s3_server() {
  local release=v1.8.0 tools
  tools=$(test_tools)/bin
  if [[ ! -x $tools/versitygw ]]; then
    command -v go > /dev/null || return 1
    heading "versitygw $release"
    GOBIN=$tools go install "github.com/versity/versitygw/cmd/versitygw@$release" || return 1
  fi
  export VERSITYGW=$tools/versitygw
}

# Compilers of RocksDB's and the test libraries' headers take about a gigabyte each.
jobs() {
  local cores memory
  cores=$(nproc)
  memory=$(awk '/^MemAvailable:/ { print int($2 / 1048576) }' /proc/meminfo)
  if ((memory < 1)); then memory=1; fi
  echo $((memory < cores ? memory : cores))
}

# Sets `launcher` to ccache where it is. Trees at the same depth share their objects.
use_compiler_cache() {
  launcher=$(command -v ccache || true)
  export CCACHE_BASEDIR=$root CCACHE_NOHASHDIR=1
}

# configure PRESET [OPTION...]: the tree of CMakePresets.json: build/ for release, build-NAME/ for the
# others. A tree that was copied here with the checkout, or made by another generator, cannot be
# reused and is made anew.
configure() {
  local preset=$1 dir=$root/build-$1
  shift
  if [[ $preset == release ]]; then dir=$root/build; fi
  if [[ -f $dir/CMakeCache.txt ]] &&
    ! { grep -qxF "CMAKE_HOME_DIRECTORY:INTERNAL=$root" "$dir/CMakeCache.txt" &&
      grep -qx 'CMAKE_GENERATOR:INTERNAL=Ninja' "$dir/CMakeCache.txt"; }; then
    rm -rf "$dir"
  fi
  use_compiler_cache
  mkdir -p "$dir"
  cmake -S "$root" --preset "$preset" -DCMAKE_CXX_COMPILER_LAUNCHER="$launcher" "$@" \
    > "$dir/configure.log" 2>&1 || {
    cat "$dir/configure.log" >&2
    die "cmake could not configure $dir"
  }
}

# compile DIR [TARGET...]
compile() {
  local dir=$root/$1
  shift
  cmake --build "$dir" --parallel "$(jobs)" ${1:+--target "$@"}
}

# The library for programs under ThreadSanitizer: build-tsan-library/libflatkv.a, and what is installed with it
# in prefix/ there. Sets and exports TSAN_OPTIONS. oneTBB and RocksDB come uninstrumented: tsan.supp
# names what that makes of them. The first race ends the program.
tsan_library() {
  local tree=$root/build-tsan-library
  command -v clang++-19 > /dev/null || skip 'there is no clang++-19 (Debian: clang-19)'
  heading 'The library under ThreadSanitizer (build-tsan-library/)'
  use_compiler_cache
  quietly cmake -S "$root" --preset tsan -B "$tree" -DFLATKV_CLI=OFF -DFLATKV_CLUSTER=OFF -DFLATKV_TESTS=OFF \
    -DCMAKE_CXX_COMPILER_LAUNCHER="$launcher"
  compile build-tsan-library flatkv
  quietly cmake --install "$tree" --component development --prefix "$tree/prefix"
  export TSAN_OPTIONS=suppressions=$root/scripts/tsan.supp:halt_on_error=1:exitcode=66:die_after_fork=0
  TSAN_OPTIONS+=:external_symbolizer_path=$(command -v llvm-symbolizer-19 || true)
}

# The tree with the program, as users get it; the micro-benchmarks, too, where their library is.
configure_release() {
  local benchmarks=OFF
  if [[ -f /usr/include/benchmark/benchmark.h ]]; then benchmarks=ON; fi
  configure release -DFLATKV_BENCHMARKS=$benchmarks
}
