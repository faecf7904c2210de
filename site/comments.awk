# SPDX-License-Identifier: Apache-2.0
# What Doxygen reads in place of a public header.
/SPDX/ { next }
FILENAME ~ /\.h$/ {
  # The header for C has plain comments. One on a line of its own belongs to what follows, one after code to
  # that, and the first, which begins on a line of its own, to the file.
  if (/---/) $0 = ""  # a ruler between parts
  else if (/^\/\*$/) $0 = "/** \\file"
  else if (/^ *\/\* /) sub(/\/\* /, "/** ")
  else sub(/ \/\* /, " /**< ")
}
FILENAME ~ /\.hpp$/ {
  # A plain comment at the start of a line is about the file.
  if (!/^\/\/ /) inside = 0
  else if (inside++) sub(/^/, "/")
  else sub(/^\/\//, "/// \\file\n///")
  while (match($0, /[0-9]'[0-9]/)) $0 = substr($0, 1, RSTART) substr($0, RSTART + 2)  # 1'000
}
{ print }
