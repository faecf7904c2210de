# SPDX-License-Identifier: Apache-2.0
if(FLATKV_BENCHMARKS)
  find_package(benchmark REQUIRED)
  add_executable(engine_bench ${PROJECT_SOURCE_DIR}/benchmarks/micro/engine.cpp)
  target_link_libraries(engine_bench PRIVATE flatkv_flags flatkv_engine benchmark::benchmark)
endif()
