# SPDX-License-Identifier: Apache-2.0
# What an embedder gets: include/flatkv, the libraries, package files for CMake and pkg-config, and the
# program.
include(CMakePackageConfigHelpers)

macro(flatkv_install)
  set(_package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/flatkv)
  # An export of its own for each library: the shared one needs no other package.
  foreach(_kind Static Shared)
    set(_target flatkv)
    if(_kind STREQUAL "Shared")
      set(_target flatkv_shared)
    endif()
    if(TARGET ${_target})
      install(TARGETS ${_target} EXPORT flatkv${_kind}Targets
        ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
      install(EXPORT flatkv${_kind}Targets NAMESPACE flatkv:: DESTINATION ${_package_dir})
    endif()
  endforeach()
  install(DIRECTORY include/flatkv DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}
    FILES_MATCHING PATTERN "*.h" PATTERN "*.hpp")
  configure_package_config_file(cmake/flatkvConfig.cmake.in ${PROJECT_BINARY_DIR}/flatkvConfig.cmake
    INSTALL_DESTINATION ${_package_dir})
  # Before 1.0 a minor version may change the interface.
  write_basic_package_version_file(${PROJECT_BINARY_DIR}/flatkvConfigVersion.cmake
    COMPATIBILITY SameMinorVersion)
  install(FILES ${PROJECT_BINARY_DIR}/flatkvConfig.cmake ${PROJECT_BINARY_DIR}/flatkvConfigVersion.cmake
    DESTINATION ${_package_dir})

  # Relative to itself, since `cmake --install --prefix` may put it anywhere.
  set(_pc_dir ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
  file(RELATIVE_PATH FLATKV_PC_TO_PREFIX ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig ${CMAKE_INSTALL_PREFIX})
  configure_file(cmake/flatkv.pc.in ${PROJECT_BINARY_DIR}/flatkv.pc @ONLY)
  install(FILES ${PROJECT_BINARY_DIR}/flatkv.pc DESTINATION ${_pc_dir})
  if(TARGET flatkv_cli)
    install(TARGETS flatkv_cli RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
  endif()
endmacro()
