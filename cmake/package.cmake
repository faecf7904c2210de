# SPDX-License-Identifier: Apache-2.0
# Debian packages, by CPack: `scripts/package` makes them from the preset `package`.
set(FLATKV_MAINTAINER "FlatKV maintainers <maintainers@flatkv.invalid>" CACHE STRING
  "Who answers for the packages, as Debian writes it")

set(CPACK_GENERATOR DEB)
set(CPACK_VERBATIM_VARIABLES ON)
set(CPACK_PACKAGE_CONTACT "${FLATKV_MAINTAINER}")
set(CPACK_PACKAGE_VENDOR FlatKV)
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "")  # each package has its own
set(CPACK_PACKAGE_DIRECTORY ${PROJECT_BINARY_DIR}/packages)
set(CPACK_STRIP_FILES ON)
set(CPACK_PRE_BUILD_SCRIPTS ${PROJECT_SOURCE_DIR}/packaging/finish.cmake)
set(CPACK_FLATKV_SOURCE ${PROJECT_SOURCE_DIR})

set(CPACK_COMPONENTS_ALL library development program)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_RELEASE 1)
set(CPACK_DEBIAN_PACKAGE_PRIORITY optional)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS
  OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)
set(_debian_version ${PROJECT_VERSION}-${CPACK_DEBIAN_PACKAGE_RELEASE})

# The name follows the SONAME: libraries that do not fit each other can be installed side by side.
set(_library libflatkv${PROJECT_VERSION_MAJOR})
set(_about "FlatKV keeps accounts, code and storage slots of an EVM chain as flat rows on
disk, and gives after every block a 32-byte root that commits to all of them.")

set(CPACK_DEBIAN_LIBRARY_PACKAGE_NAME ${_library})
set(CPACK_DEBIAN_LIBRARY_PACKAGE_SECTION libs)
set(CPACK_DEBIAN_LIBRARY_PACKAGE_SHLIBDEPS ON)
# CPack also writes scripts that call ldconfig, which lintian warns about: they do no harm beside it.
set(CPACK_DEBIAN_LIBRARY_PACKAGE_CONTROL_EXTRA ${PROJECT_SOURCE_DIR}/packaging/triggers)
# Until 1.0 a minor version may change the interface under the same SONAME.
set(CPACK_DEBIAN_PACKAGE_GENERATE_SHLIBS ON)
set(CPACK_DEBIAN_PACKAGE_GENERATE_SHLIBS_POLICY "=")
set(CPACK_DEBIAN_LIBRARY_DESCRIPTION "state commitment store for EVM chains (library)
${_about}
.
This is the shared library.")

set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_NAME libflatkv-dev)
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_SECTION libdevel)
# The three are what the static library is made of; the shared one needs none of them.
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_DEPENDS
  "${_library} (= ${_debian_version}), librocksdb-dev, libtbb-dev, libzstd-dev")
# What libflatkv_cluster.a is made of besides.
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_SUGGESTS
  "libcpp-httplib-dev, libcurl4-openssl-dev, librdkafka-dev, prometheus-cpp-dev")
set(CPACK_DEBIAN_DEVELOPMENT_DESCRIPTION "state commitment store for EVM chains (development)
${_about}
.
These are the headers, the static library, and package files for CMake and
pkg-config.")

set(CPACK_DEBIAN_PROGRAM_PACKAGE_NAME flatkv)
set(CPACK_DEBIAN_PROGRAM_PACKAGE_SECTION database)
set(CPACK_DEBIAN_PROGRAM_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PROGRAM_DESCRIPTION "state commitment store for EVM chains (program)
${_about}
.
This is the program: it creates, fills, checks, repairs, compares, exports and
measures stores.")

include(CPack)
