# SPDX-License-Identifier: Apache-2.0
# What an embedder gets: include/flatkv, the libraries, package files for CMake and pkg-config; and what
# people get: the program with its manual pages and completions. Components are the Debian packages of
# cmake/package.cmake; `cmake --install` without one installs all.
include(CMakePackageConfigHelpers)

# Debian's zsh has another folder for what packages bring.
set(FLATKV_ZSH_COMPLETIONS zsh/site-functions CACHE STRING "Where zsh looks for completions, in share/")

macro(flatkv_install)
  flatkv_install_libraries()
  flatkv_install_package_files()
  if(TARGET flatkv_cli)
    install(TARGETS flatkv_cli RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT program)
  endif()
  if(TARGET flatkv_pages)
    flatkv_install_pages()
  endif()
endmacro()

macro(flatkv_install_libraries)
  set(_package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/flatkv)
  # An export of its own for each library: the shared one needs no other package.
  foreach(_kind Static Shared)
    set(_target flatkv)
    if(_kind STREQUAL "Shared")
      set(_target flatkv_shared)
    endif()
    if(TARGET ${_target})
      install(TARGETS ${_target} EXPORT flatkv${_kind}Targets
        ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT development
        LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT library NAMELINK_COMPONENT development)
      install(EXPORT flatkv${_kind}Targets NAMESPACE flatkv:: DESTINATION ${_package_dir}
        COMPONENT development)
    endif()
  endforeach()
  # Optional, since the quick starts compile the other two alone.
  if(TARGET flatkv_cluster)
    install(TARGETS flatkv_cluster EXPORT flatkvClusterTargets
      ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT development OPTIONAL)
    install(EXPORT flatkvClusterTargets NAMESPACE flatkv:: DESTINATION ${_package_dir}
      COMPONENT development)
  endif()
endmacro()

macro(flatkv_install_package_files)
  install(DIRECTORY include/flatkv DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT development
    FILES_MATCHING PATTERN "*.h" PATTERN "*.hpp")
  configure_package_config_file(cmake/flatkvConfig.cmake.in ${PROJECT_BINARY_DIR}/flatkvConfig.cmake
    INSTALL_DESTINATION ${_package_dir})
  # Before 1.0 a minor version may change the interface.
  write_basic_package_version_file(${PROJECT_BINARY_DIR}/flatkvConfigVersion.cmake
    COMPATIBILITY SameMinorVersion)
  install(FILES ${PROJECT_BINARY_DIR}/flatkvConfig.cmake ${PROJECT_BINARY_DIR}/flatkvConfigVersion.cmake
    DESTINATION ${_package_dir} COMPONENT development)

  # Relative to itself, since `cmake --install --prefix` may put it anywhere.
  set(_pc_dir ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
  file(RELATIVE_PATH FLATKV_PC_TO_PREFIX ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig ${CMAKE_INSTALL_PREFIX})
  set(_pc_names flatkv)
  if(TARGET flatkv_cluster)
    list(APPEND _pc_names flatkv-cluster)
  endif()
  foreach(_name ${_pc_names})
    configure_file(cmake/${_name}.pc.in ${PROJECT_BINARY_DIR}/${_name}.pc @ONLY)
    install(FILES ${PROJECT_BINARY_DIR}/${_name}.pc DESTINATION ${_pc_dir} COMPONENT development)
  endforeach()
endmacro()

# What cli/pages.cmake wrote.
macro(flatkv_install_pages)
  set(_pages ${PROJECT_BINARY_DIR}/pages)
  install(DIRECTORY ${_pages}/man1 DESTINATION ${CMAKE_INSTALL_MANDIR} COMPONENT program)
  install(FILES ${_pages}/flatkv COMPONENT program
    DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions)
  install(FILES ${_pages}/_flatkv COMPONENT program
    DESTINATION ${CMAKE_INSTALL_DATADIR}/${FLATKV_ZSH_COMPLETIONS})
  install(FILES ${_pages}/flatkv.fish COMPONENT program
    DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d)
endmacro()
