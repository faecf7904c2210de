# SPDX-License-Identifier: Apache-2.0
# What every target of ours is compiled with. -march never appears here: code for one instruction
# set lives in its own file with its own flags.
add_library(flatkv_flags INTERFACE)
target_compile_features(flatkv_flags INTERFACE cxx_std_23)
target_compile_options(flatkv_flags INTERFACE
  -Wall -Wextra -Wpedantic -Wconversion -Wsign-conversion -Wshadow -Wnon-virtual-dtor
  -Wold-style-cast -Woverloaded-virtual -Wcast-qual $<$<BOOL:${FLATKV_WERROR}>:-Werror>
  -fstack-protector-strong -fno-omit-frame-pointer)
target_compile_definitions(flatkv_flags INTERFACE
  $<$<BOOL:${FLATKV_FAILPOINTS}>:FLATKV_FAILPOINTS _GLIBCXX_ASSERTIONS>)
target_include_directories(flatkv_flags INTERFACE
  ${PROJECT_SOURCE_DIR}/include ${PROJECT_SOURCE_DIR}/src)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # GCC 12 reports these falsely inside libstdc++ at -O2.
  target_compile_options(flatkv_flags INTERFACE -Wno-restrict -Wno-maybe-uninitialized)
endif()
if(FLATKV_LIBFUZZER)
  target_compile_options(flatkv_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()
if(FLATKV_COVERAGE)
  target_link_options(flatkv_flags INTERFACE -fprofile-instr-generate)
endif()
if(FLATKV_SANITIZE)
  target_compile_options(flatkv_flags INTERFACE
    -fsanitize=${FLATKV_SANITIZE} -fno-sanitize-recover=all -g1)
  target_link_options(flatkv_flags INTERFACE -fsanitize=${FLATKV_SANITIZE})
else()
  # A fortified libc needs the optimiser, so not in Debug. scripts/check-release proves each of these.
  target_compile_options(flatkv_flags INTERFACE
    $<$<CONFIG:Release,RelWithDebInfo>:-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2> -fstack-clash-protection)
  if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
    target_compile_options(flatkv_flags INTERFACE -fcf-protection=full)
  elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "aarch64|arm64")
    target_compile_options(flatkv_flags INTERFACE -mbranch-protection=standard)
  endif()
  target_link_options(flatkv_flags INTERFACE -Wl,-z,relro,-z,now,-z,noexecstack)
endif()

set(FLATKV_ROOMS "")
set(FLATKV_ROOM_LIBRARIES "")

# flatkv_room(NAME DEP... [TESTS DEP...]): a library of src/NAME/*.cpp and a test program of
# src/NAME/*_test.cpp, which alone links the last ones. A DEP that is a room is another room; the rest
# are targets of packages.
macro(flatkv_room name)
  cmake_parse_arguments(_room "" "" "TESTS" ${ARGN})
  file(GLOB _sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/${name}/*.cpp)
  set(_tests ${_sources})
  list(FILTER _tests INCLUDE REGEX "_test\\.cpp$")
  list(FILTER _sources EXCLUDE REGEX "_test\\.cpp$")
  set(_dependencies "")
  foreach(_dependency ${_room_UNPARSED_ARGUMENTS})
    if(_dependency IN_LIST FLATKV_ROOMS)
      list(APPEND _dependencies flatkv_${_dependency})
    else()
      list(APPEND _dependencies ${_dependency})
      list(APPEND FLATKV_PACKAGES ${_dependency})
    endif()
  endforeach()
  if(_sources)
    add_library(flatkv_${name} STATIC ${_sources})
    target_link_libraries(flatkv_${name} PRIVATE flatkv_flags PUBLIC ${_dependencies} Threads::Threads)
    if(FLATKV_COVERAGE)
      # The tests themselves are not counted. Relocated counters can stand in a file that is mapped into
      # memory: what a process ran that was killed is in it, too.
      target_compile_options(flatkv_${name} PRIVATE
        -fprofile-instr-generate -fcoverage-mapping "SHELL:-mllvm -runtime-counter-relocation")
    endif()
    # Only what a public header declares leaves the shared library (flatkv/export.hpp).
    set_target_properties(flatkv_${name} PROPERTIES
      CXX_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON)
    list(APPEND FLATKV_ROOM_LIBRARIES flatkv_${name})
  else()
    add_library(flatkv_${name} INTERFACE)
    target_link_libraries(flatkv_${name} INTERFACE ${_dependencies})
  endif()
  list(APPEND FLATKV_ROOMS ${name})
  if(FLATKV_TESTS AND _tests)
    list(TRANSFORM _room_TESTS PREPEND flatkv_)
    flatkv_test(${name}_test SOURCES ${_tests} LIBRARIES flatkv_${name} ${_room_TESTS})
  endif()
  if(EXISTS ${PROJECT_SOURCE_DIR}/src/${name}/room.cmake)
    include(${PROJECT_SOURCE_DIR}/src/${name}/room.cmake)
  endif()
endmacro()

# flatkv_uses(TARGET ROOM...): the rooms whose private headers a target includes that links the whole
# library. The library has their code in any case, so this only says so; scripts/check-arrows compares
# it with the includes.
function(flatkv_uses target)
  foreach(_room ${ARGN})
    if(NOT _room IN_LIST FLATKV_ROOMS)
      message(FATAL_ERROR "flatkv_uses(${target}): there is no room ${_room}")
    endif()
  endforeach()
endfunction()

# flatkv_register(NAME LABEL...): what every test of ours has in common. scripts/test runs all that are
# not labelled `nightly`. In a sanitized tree those are unit, golden and fuzz; the others start
# programs, kill them and take minutes, and there they would take many; they are not even built there
# unless named.
set(FLATKV_TEST_TIMEOUT 900 CACHE STRING "Seconds that a test may take")
if(FLATKV_SANITIZE)
  # The compiler's own: an older one does not understand its debug information.
  string(REGEX MATCH "^[0-9]+" _major "${CMAKE_CXX_COMPILER_VERSION}")
  find_program(FLATKV_SYMBOLIZER NAMES llvm-symbolizer-${_major} llvm-symbolizer
    DOC "Finds the names for the sanitizers' reports")
endif()
function(flatkv_register name)
  set(_labels ${ARGN})
  if(FLATKV_SANITIZE AND NOT "${_labels}" MATCHES "unit|golden|fuzz")
    list(APPEND _labels nightly)
  endif()
  set_tests_properties(${name} PROPERTIES LABELS "${_labels}" TIMEOUT ${FLATKV_TEST_TIMEOUT} SKIP_RETURN_CODE 77)
  # What it counts of the fault matrix, for scripts/fault-counts.
  set_property(GLOBAL APPEND PROPERTY FLATKV_TEST_NAMES ${name})
  set(_environment "FLATKV_FAULT_COUNTS=${PROJECT_BINARY_DIR}/fault-counts/${name}")
  if(FLATKV_SANITIZE)
    # Without names, reports say little, and suppressions match nothing.
    set(_names "")
    if(FLATKV_SYMBOLIZER)
      set(_names ":external_symbolizer_path=${FLATKV_SYMBOLIZER}")
    endif()
    list(APPEND _environment
      UBSAN_OPTIONS=print_stacktrace=1${_names}
      ASAN_OPTIONS=detect_stack_use_after_return=1${_names}
      TSAN_OPTIONS=suppressions=${PROJECT_SOURCE_DIR}/scripts/tsan.supp:die_after_fork=0${_names})
  endif()
  if(FLATKV_COVERAGE)
    # %m tells programs apart by the sizes of their parts, which many have in common: in one file, what one counted
    # would pass for what another did. %c: up to date at every moment, whatever ends the process.
    list(APPEND _environment LLVM_PROFILE_FILE=${PROJECT_BINARY_DIR}/profiles/${name}-%m%c.profraw)
  endif()
  set_tests_properties(${name} PROPERTIES ENVIRONMENT "${_environment}")
endfunction()
if(FLATKV_TESTS)
  file(MAKE_DIRECTORY ${PROJECT_BINARY_DIR}/fault-counts)
endif()

# tests.txt: the names of all tests, one a line.
function(flatkv_list_tests)
  get_property(_names GLOBAL PROPERTY FLATKV_TEST_NAMES)
  list(JOIN _names "\n" _lines)
  file(WRITE ${PROJECT_BINARY_DIR}/tests.txt "${_lines}\n")
endfunction()

# Tests of sanitized trees have names of their own, since scripts/test runs both kinds together.
set(FLATKV_TEST_PREFIX "")
if(FLATKV_SANITIZE)
  set(FLATKV_TEST_PREFIX "sanitized.")
endif()

# flatkv_test(NAME SOURCES ... LIBRARIES ... [LABELS ...]): one gtest program, each program a ctest.
function(flatkv_test name)
  cmake_parse_arguments(arg "" "" "SOURCES;LIBRARIES;LABELS" ${ARGN})
  add_executable(${name} ${arg_SOURCES})
  target_link_libraries(${name} PRIVATE flatkv_flags ${arg_LIBRARIES} GTest::gtest GTest::gtest_main)
  # What a test spends its time in is the library; the test itself has mostly to compile soon.
  target_compile_options(${name} PRIVATE $<$<CONFIG:Release>:-O1>)
  target_compile_definitions(${name} PRIVATE
    FLATKV_SOURCE_DIR="${PROJECT_SOURCE_DIR}" FLATKV_BINARY_DIR="${PROJECT_BINARY_DIR}")
  if(NOT arg_LABELS)
    set(arg_LABELS unit)
  endif()
  if(FLATKV_SANITIZE AND NOT "${arg_LABELS}" MATCHES "unit|golden|fuzz")
    set_target_properties(${name} PROPERTIES EXCLUDE_FROM_ALL ON)
  endif()
  # One ctest per program: a process per test would cost more than the tests.
  add_test(NAME ${FLATKV_TEST_PREFIX}${name} COMMAND ${name})
  flatkv_register(${FLATKV_TEST_PREFIX}${name} ${arg_LABELS})
endfunction()

# flatkv_test_reads(NAME LABEL...): NAME again, with 1 and with 64 rows that every call reads at a time,
# whatever the options say (src/rocks/read_threads.cpp). Sanitized trees do without.
function(flatkv_test_reads name)
  if(FLATKV_SANITIZE)
    return()
  endif()
  foreach(count 1 64)
    add_test(NAME ${name}.reads${count} COMMAND ${name})
    flatkv_register(${name}.reads${count} ${ARGN})
    set_property(TEST ${name}.reads${count} APPEND PROPERTY
      ENVIRONMENT FLATKV_TEST_READS_IN_FLIGHT=${count} FLATKV_PROPERTY_STEPS=1000)
  endforeach()
endfunction()

# What is installed: the objects of all rooms, as flatkv and, with FLATKV_SHARED, as flatkv_shared.
macro(flatkv_library)
  list(REMOVE_DUPLICATES FLATKV_PACKAGES)
  set(FLATKV_CORE_LIBRARIES ${FLATKV_ROOM_LIBRARIES})
  set(_objects "")
  foreach(_room ${FLATKV_ROOM_LIBRARIES})
    list(APPEND _objects $<TARGET_OBJECTS:${_room}>)
  endforeach()
  add_library(flatkv STATIC ${_objects})
  flatkv_library_target(flatkv "${FLATKV_PACKAGES}")
  if(FLATKV_SHARED)
    add_library(flatkv_shared SHARED ${_objects})
    flatkv_library_target(flatkv_shared "${FLATKV_PACKAGES}")
    set(_symbols ${PROJECT_SOURCE_DIR}/cmake/flatkv.symbols)
    set_target_properties(flatkv_shared PROPERTIES OUTPUT_NAME flatkv
      VERSION ${PROJECT_VERSION} SOVERSION ${PROJECT_VERSION_MAJOR} LINK_DEPENDS ${_symbols})
    target_link_libraries(flatkv_shared PRIVATE $<BUILD_INTERFACE:flatkv_flags>)
    target_link_options(flatkv_shared PRIVATE -Wl,--version-script=${_symbols})
    if(NOT FLATKV_SANITIZE AND NOT FLATKV_LIBFUZZER)
      target_link_options(flatkv_shared PRIVATE -Wl,-z,defs)
    endif()
  endif()
endmacro()

# The rooms since flatkv_library, as flatkv_cluster: a static library on top of the static one, since it
# calls what the shared one hides.
macro(flatkv_cluster_library)
  set(_packages ${FLATKV_PACKAGES})
  set(_objects "")
  foreach(_room ${FLATKV_ROOM_LIBRARIES})
    if(NOT _room IN_LIST FLATKV_CORE_LIBRARIES)
      list(APPEND _objects $<TARGET_OBJECTS:${_room}>)
    endif()
  endforeach()
  list(REMOVE_DUPLICATES _packages)
  add_library(flatkv_cluster STATIC ${_objects})
  flatkv_library_target(flatkv_cluster "${_packages}")
  target_link_libraries(flatkv_cluster PUBLIC flatkv)
endmacro()

function(flatkv_library_target name packages)
  add_library(flatkv::${name} ALIAS ${name})
  set_target_properties(${name} PROPERTIES LINKER_LANGUAGE CXX)
  target_include_directories(${name} PUBLIC
    $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include> $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
  target_compile_features(${name} PUBLIC cxx_std_23)
  # PRIVATE: an embedder links these packages but sees none of their headers through ours. Where they
  # are in the library already, or are headers only, the installed package does not name them either.
  get_target_property(_type ${name} TYPE)
  foreach(_package ${packages})
    if(_type STREQUAL "SHARED_LIBRARY" OR _package STREQUAL "nlohmann_json::nlohmann_json")
      target_link_libraries(${name} PRIVATE $<BUILD_INTERFACE:${_package}>)
    else()
      target_link_libraries(${name} PRIVATE ${_package})
    endif()
  endforeach()
  target_link_libraries(${name} PUBLIC Threads::Threads)
endfunction()
