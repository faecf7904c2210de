# What every target of ours is compiled with. -march never appears here: code for one instruction
# set lives in its own file with its own flags.
add_library(flatkv_flags INTERFACE)
target_compile_options(flatkv_flags INTERFACE
  -Wall -Wextra -Wpedantic -Wconversion -Wsign-conversion -Wshadow -Wnon-virtual-dtor
  -Wold-style-cast -Woverloaded-virtual -Wcast-qual -Werror
  -fstack-protector-strong -fno-omit-frame-pointer)
target_compile_definitions(flatkv_flags INTERFACE $<$<BOOL:${FLATKV_FAILPOINTS}>:FLATKV_FAILPOINTS>)
target_include_directories(flatkv_flags INTERFACE
  ${PROJECT_SOURCE_DIR}/include ${PROJECT_SOURCE_DIR}/src)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # GCC 12 reports these falsely inside libstdc++ at -O2.
  target_compile_options(flatkv_flags INTERFACE -Wno-restrict -Wno-maybe-uninitialized)
endif()
if(FLATKV_SANITIZE)
  target_compile_options(flatkv_flags INTERFACE
    -fsanitize=${FLATKV_SANITIZE} -fno-sanitize-recover=all -g)
  target_link_options(flatkv_flags INTERFACE -fsanitize=${FLATKV_SANITIZE})
else()
  target_compile_options(flatkv_flags INTERFACE
    $<$<CONFIG:Release>:-D_FORTIFY_SOURCE=2 -fcf-protection=full -fstack-clash-protection>)
  target_link_options(flatkv_flags INTERFACE -Wl,-z,relro,-z,now)
endif()

set(FLATKV_ROOMS "")
set(FLATKV_ROOM_LIBRARIES "")

# flatkv_room(NAME DEP...): a library of src/NAME/*.cpp and a test program of src/NAME/*_test.cpp.
# A DEP that is a room is another room; the rest are targets of packages.
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

# flatkv_test(NAME SOURCES ... LIBRARIES ... [LABELS ...]): one gtest program, each test a ctest.
function(flatkv_test name)
  cmake_parse_arguments(arg "" "" "SOURCES;LIBRARIES;LABELS" ${ARGN})
  add_executable(${name} ${arg_SOURCES})
  target_link_libraries(${name} PRIVATE flatkv_flags ${arg_LIBRARIES} GTest::gtest GTest::gtest_main)
  target_compile_definitions(${name} PRIVATE
    FLATKV_SOURCE_DIR="${PROJECT_SOURCE_DIR}" FLATKV_BINARY_DIR="${CMAKE_BINARY_DIR}")
  if(NOT arg_LABELS)
    set(arg_LABELS unit)
  endif()
  # One ctest per program: a process per test would cost more than the tests.
  add_test(NAME ${name} COMMAND ${name})
  set_tests_properties(${name} PROPERTIES LABELS "${arg_LABELS}" TIMEOUT 900)
endfunction()

# The one library that is installed: the objects of all rooms.
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
  target_link_libraries(flatkv PUBLIC ${FLATKV_PACKAGES} Threads::Threads)
endmacro()
