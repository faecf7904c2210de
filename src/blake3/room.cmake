# SPDX-License-Identifier: Apache-2.0
# Each instruction set has a file and flags of its own; nothing else may use them. -O2: at -O3 the
# loops around the rounds are unrolled and the code no longer fits the caches. The scheduled rounds
# are one string of assembly, longer than ISO C++ requires compilers to support.
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  foreach(_kernel "sse41:-msse4.1" "avx2:-mavx2" "avx512:-mavx2;-mavx512f;-mavx512bw;-mavx512vl")
    string(REGEX MATCH "^[^:]*" _name "${_kernel}")
    string(REGEX REPLACE "^[^:]*:" "" _flags "${_kernel}")
    set_source_files_properties(${PROJECT_SOURCE_DIR}/src/blake3/${_name}.cpp
      PROPERTIES COMPILE_OPTIONS "${_flags};$<$<CONFIG:Release>:-O2>;-Wno-overlength-strings")
  endforeach()
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
    # A false report from within GCC's own avx512fintrin.h (GCC bug 105593).
    set_property(SOURCE ${PROJECT_SOURCE_DIR}/src/blake3/avx512.cpp
      APPEND PROPERTY COMPILE_OPTIONS -Wno-uninitialized)
  endif()
endif()
set_source_files_properties(${PROJECT_SOURCE_DIR}/src/blake3/neon.cpp
  PROPERTIES COMPILE_OPTIONS "$<$<CONFIG:Release>:-O2>")
if(TARGET blake3_test)
  target_link_libraries(blake3_test PRIVATE nlohmann_json::nlohmann_json)
endif()
