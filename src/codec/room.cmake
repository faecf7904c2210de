# SPDX-License-Identifier: Apache-2.0
# The changelog written by the reference is kept compressed.
if(TARGET codec_test)
  target_link_libraries(codec_test PRIVATE zstd::libzstd_shared)
endif()
