# SPDX-License-Identifier: Apache-2.0
# Sourced after lib.sh: what other languages build against.

# Uses the FlatKV that is installed in FLATKV_PREFIX or, without that, puts the shared library of the
# release tree into TREE/prefix. FLATKV_TREE names a tree that is built; otherwise build/ is.
install_library() {
  local prefix=${FLATKV_PREFIX-} tree=${FLATKV_TREE-}
  if [[ -z $prefix ]]; then
    if [[ -z $tree ]]; then
      tree=$root/build
      configure_release
      compile build flatkv_shared
    fi
    prefix=$tree/prefix
    rm -rf "$prefix"
    mkdir -p "$prefix/lib/pkgconfig" "$prefix/include"
    cp -a "$tree"/libflatkv.so* "$prefix/lib"
    cp -a "$root/include/flatkv" "$prefix/include"
    sed -e "s|^prefix=.*|prefix=$prefix|" -e "s|^libdir=.*|libdir=$prefix/lib|" \
      "$tree/flatkv.pc" > "$prefix/lib/pkgconfig/flatkv.pc"
  fi
  local directory
  for directory in "$prefix"/lib "$prefix"/lib/*-linux-gnu; do
    if [[ -f $directory/pkgconfig/flatkv.pc ]]; then
      export PKG_CONFIG_PATH=$directory/pkgconfig${PKG_CONFIG_PATH:+:$PKG_CONFIG_PATH}
      export LD_LIBRARY_PATH=$directory${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
      # Go's build cache does not look at what pkg-config says, but at this.
      export CGO_LDFLAGS="-O2 -g -L$directory"
    fi
  done
}
