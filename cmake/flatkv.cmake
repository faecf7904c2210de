# Flags for all our targets. -march never appears here: code for an instruction set has a file and
# flags of its own.
add_library(flatkv_flags INTERFACE)
target_compile_options(flatkv_flags INTERFACE
  -Wall -Wextra -Wpedantic -Wconversion -Wsign-conversion -Wshadow -Wnon-virtual-dtor
  -Wold-style-cast -Woverloaded-virtual -Wcast-qual -Werror
  -fstack-protector-strong -fno-omit-frame-pointer)
target_compile_definitions(flatkv_flags INTERFACE
  $<$<BOOL:${FLATKV_FAILPOINTS}>:FLATKV_FAILPOINTS _GLIBCXX_ASSERTIONS>)
target_include_directories(flatkv_flags INTERFACE
  ${PROJECT_SOURCE_DIR}/include ${PROJECT_SOURCE_DIR}/src)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # False reports of GCC 12 within libstdc++ at -O2.
  target_compile_options(flatkv_flags INTERFACE -Wno-restrict -Wno-maybe-uninitialized)
endif()
if(FLATKV_LIBFUZZER)
  target_compile_options(flatkv_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()
if(FLATKV_SANITIZE)
  target_compile_options(flatkv_flags INTERFACE
    -fsanitize=${FLATKV_SANITIZE} -fno-sanitize-recover=all -g1)
  target_link_options(flatkv_flags INTERFACE -fsanitize=${FLATKV_SANITIZE})
else()
  # A fortified libc needs the optimiser, so not in Debug. scripts/check-release checks each of these.
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

# flatkv_room(NAME DEP...): a library of src/NAME/*.cpp and a test program of src/NAME/*_test.cpp. A
# DEP is another room, or a target of a package.
macro(flatkv_room name)
  file(GLOB _sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/${name}/*.cpp)
  set(_tests ${_sources})
  list(FILTER _tests INCLUDE REGEX "_test\\.cpp$")
  list(FILTER _sources EXCLUDE REGEX "_test\\.cpp$")
  set(_dependencies "")
  foreach(_dependency ${ARGN})
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
    list(APPEND FLATKV_ROOM_LIBRARIES flatkv_${name})
  else()
    add_library(flatkv_${name} INTERFACE)
    target_link_libraries(flatkv_${name} INTERFACE ${_dependencies})
  endif()
  list(APPEND FLATKV_ROOMS ${name})
  if(FLATKV_TESTS AND _tests)
    flatkv_test(${name}_test SOURCES ${_tests} LIBRARIES flatkv_${name})
  endif()
  if(EXISTS ${PROJECT_SOURCE_DIR}/src/${name}/room.cmake)
    include(${PROJECT_SOURCE_DIR}/src/${name}/room.cmake)
  endif()
endmacro()

# flatkv_register(NAME LABEL...): settings for all our tests. scripts/test runs those that are not
# labelled `nightly`. A sanitized tree runs only unit, golden and fuzz: the others start and kill
# programs, take minutes and would take far longer there; they are built there only on request.
set(FLATKV_TEST_TIMEOUT 900 CACHE STRING "Seconds that a test may take")
function(flatkv_register name)
  set(_labels ${ARGN})
  if(FLATKV_SANITIZE AND NOT "${_labels}" MATCHES "unit|golden|fuzz")
    list(APPEND _labels nightly)
  endif()
  set_tests_properties(${name} PROPERTIES LABELS "${_labels}" TIMEOUT ${FLATKV_TEST_TIMEOUT} SKIP_RETURN_CODE 77)
  # Where it writes its counts for scripts/fault-counts.
  set_property(GLOBAL APPEND PROPERTY FLATKV_TEST_NAMES ${name})
  set(_environment "FLATKV_FAULT_COUNTS=${CMAKE_BINARY_DIR}/fault-counts/${name}")
  if(FLATKV_SANITIZE)
    list(APPEND _environment
      UBSAN_OPTIONS=print_stacktrace=1 ASAN_OPTIONS=detect_stack_use_after_return=1)
  endif()
  set_tests_properties(${name} PROPERTIES ENVIRONMENT "${_environment}")
endfunction()
file(MAKE_DIRECTORY ${CMAKE_BINARY_DIR}/fault-counts)

# tests.txt: the names of all tests, one per line.
function(flatkv_list_tests)
  get_property(_names GLOBAL PROPERTY FLATKV_TEST_NAMES)
  list(JOIN _names "\n" _lines)
  file(WRITE ${CMAKE_BINARY_DIR}/tests.txt "${_lines}\n")
endfunction()

# Tests of sanitized trees have names of their own, because scripts/test runs both kinds together.
set(FLATKV_TEST_PREFIX "")
if(FLATKV_SANITIZE)
  set(FLATKV_TEST_PREFIX "sanitized.")
endif()

# flatkv_test(NAME SOURCES ... LIBRARIES ... [LABELS ...]): one gtest program, one ctest per program.
function(flatkv_test name)
  cmake_parse_arguments(arg "" "" "SOURCES;LIBRARIES;LABELS" ${ARGN})
  add_executable(${name} ${arg_SOURCES})
  target_link_libraries(${name} PRIVATE flatkv_flags ${arg_LIBRARIES} GTest::gtest GTest::gtest_main)
  # Most of a test's time is spent in the library; the test itself should compile fast.
  target_compile_options(${name} PRIVATE $<$<CONFIG:Release>:-O1>)
  target_compile_definitions(${name} PRIVATE
    FLATKV_SOURCE_DIR="${PROJECT_SOURCE_DIR}" FLATKV_BINARY_DIR="${CMAKE_BINARY_DIR}")
  if(NOT arg_LABELS)
    set(arg_LABELS unit)
  endif()
  if(FLATKV_SANITIZE AND NOT "${arg_LABELS}" MATCHES "unit|golden|fuzz")
    set_target_properties(${name} PROPERTIES EXCLUDE_FROM_ALL ON)
  endif()
  # One ctest per program: a process per test would cost more than the tests themselves.
  add_test(NAME ${FLATKV_TEST_PREFIX}${name} COMMAND ${name})
  flatkv_register(${FLATKV_TEST_PREFIX}${name} ${arg_LABELS})
endfunction()

# The one installed library: the objects of all rooms.
macro(flatkv_library)
  list(REMOVE_DUPLICATES FLATKV_PACKAGES)
  set(_objects "")
  foreach(_room ${FLATKV_ROOM_LIBRARIES})
    list(APPEND _objects $<TARGET_OBJECTS:${_room}>)
  endforeach()
  add_library(flatkv STATIC ${_objects})
  set_target_properties(flatkv PROPERTIES LINKER_LANGUAGE CXX)
  target_include_directories(flatkv PUBLIC
    $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include> $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
  target_compile_features(flatkv PUBLIC cxx_std_23)
  # PRIVATE: our headers show users none of these packages' headers.
  foreach(_package ${FLATKV_PACKAGES})
    if(_package STREQUAL "nlohmann_json::nlohmann_json")
      target_link_libraries(flatkv PRIVATE $<BUILD_INTERFACE:${_package}>)  # headers only
    else()
      target_link_libraries(flatkv PRIVATE ${_package})
    endif()
  endforeach()
  target_link_libraries(flatkv PUBLIC Threads::Threads)
endmacro()
