# What is installed: include/flatkv, libflatkv.a, the package configuration and the program.
include(CMakePackageConfigHelpers)

macro(flatkv_install)
  set(_package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/flatkv)
  install(TARGETS flatkv EXPORT flatkvTargets ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
  install(DIRECTORY include/flatkv DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.hpp")
  install(EXPORT flatkvTargets NAMESPACE flatkv:: DESTINATION ${_package_dir})
  configure_package_config_file(cmake/flatkvConfig.cmake.in ${CMAKE_BINARY_DIR}/flatkvConfig.cmake
    INSTALL_DESTINATION ${_package_dir})
  # Before 1.0 a minor release may change the interface.
  write_basic_package_version_file(${CMAKE_BINARY_DIR}/flatkvConfigVersion.cmake
    COMPATIBILITY SameMinorVersion)
  install(FILES ${CMAKE_BINARY_DIR}/flatkvConfig.cmake ${CMAKE_BINARY_DIR}/flatkvConfigVersion.cmake
    DESTINATION ${_package_dir})
  if(TARGET flatkv_cli)
    install(TARGETS flatkv_cli RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
  endif()
endmacro()
