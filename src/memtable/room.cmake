# SPDX-License-Identifier: Apache-2.0
if(FLATKV_BENCHMARKS)
  find_package(benchmark REQUIRED)
  add_executable(memtable_bench ${PROJECT_SOURCE_DIR}/benchmarks/micro/memtable.cpp)
  target_link_libraries(memtable_bench PRIVATE flatkv_flags flatkv_memtable benchmark::benchmark)
endif()
