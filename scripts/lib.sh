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

# Compiling with the headers of RocksDB and the test libraries takes about a gigabyte per job.
jobs() {
  local cores memory
  cores=$(nproc)
  memory=$(awk '/^MemAvailable:/ { print int($2 / 1048576) }' /proc/meminfo)
  if ((memory < 1)); then memory=1; fi
  echo $((memory < cores ? memory : cores))
}

# configure DIR OPTION...: a Ninja tree in DIR. Replaces a tree that was copied here with the checkout
# or made by another generator, because it cannot be reused.
configure() {
  local dir=$root/$1 launcher=""
  shift
  if [[ -f $dir/CMakeCache.txt ]] &&
    ! { grep -qxF "CMAKE_HOME_DIRECTORY:INTERNAL=$root" "$dir/CMakeCache.txt" &&
      grep -qx 'CMAKE_GENERATOR:INTERNAL=Ninja' "$dir/CMakeCache.txt"; }; then
    rm -rf "$dir"
  fi
  if command -v ccache > /dev/null; then
    launcher=$(command -v ccache)
    export CCACHE_BASEDIR=$root CCACHE_NOHASHDIR=1
  fi
  mkdir -p "$dir"
  cmake -S "$root" -B "$dir" -G Ninja -DCMAKE_CXX_COMPILER_LAUNCHER="$launcher" "$@" \
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

# The tree with the program for users: no tests, no failpoints.
configure_release() {
  local benchmarks=OFF
  if [[ -f $root/benchmarks/CMakeLists.txt && -f /usr/include/benchmark/benchmark.h ]]; then
    benchmarks=ON
  fi
  configure build -DCMAKE_BUILD_TYPE=Release -DFLATKV_TESTS=OFF -DFLATKV_FAILPOINTS=OFF \
    -DFLATKV_SANITIZE= -DFLATKV_BENCHMARKS=$benchmarks
}
