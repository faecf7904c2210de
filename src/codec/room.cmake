# The changelog written by the reference is kept compressed.
if(TARGET codec_test)
  target_link_libraries(codec_test PRIVATE zstd::libzstd_shared)
endif()
