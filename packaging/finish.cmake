# SPDX-License-Identifier: Apache-2.0
# CPack runs this over the installed files before it packs them: what only a Debian package has. Each
# package gets its copyright and changelogs, manual pages are compressed, and the static library loses
# what only a debugger reads.

# The releases of CHANGELOG.md, in the form that dpkg reads. What changed is in CHANGELOG.md itself.
function(debian_changelog into)
  file(STRINGS ${CPACK_FLATKV_SOURCE}/CHANGELOG.md headings REGEX "^## \\[[0-9.]+\\] - [0-9-]+$")
  set(text "")
  foreach(heading ${headings})
    string(REGEX MATCH "\\[([0-9.]+)\\] - ([0-9-]+)" found ${heading})
    execute_process(COMMAND date --utc --rfc-email --date=${CMAKE_MATCH_2}
      OUTPUT_VARIABLE date OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
    string(APPEND text
      "flatkv (${CMAKE_MATCH_1}-${CPACK_DEBIAN_PACKAGE_RELEASE}) unstable; urgency=medium\n\n"
      "  * Release ${CMAKE_MATCH_1}; changelog.gz says what changed.\n\n"
      " -- ${CPACK_PACKAGE_CONTACT}  ${date}\n\n")
  endforeach()
  if(NOT text MATCHES "^flatkv \\(${CPACK_PACKAGE_VERSION}-")
    message(FATAL_ERROR "the newest release of CHANGELOG.md is not ${CPACK_PACKAGE_VERSION}")
  endif()
  set(${into} "${text}" PARENT_SCOPE)
endfunction()

function(run)
  execute_process(COMMAND ${ARGN} COMMAND_ERROR_IS_FATAL ANY)
endfunction()

debian_changelog(changelog)
foreach(component ${CPACK_COMPONENTS_ALL})
  set(place ${CPACK_TEMPORARY_DIRECTORY}/${component}/usr)
  string(TOUPPER ${component} name)
  set(doc ${place}/share/doc/${CPACK_DEBIAN_${name}_PACKAGE_NAME})
  file(MAKE_DIRECTORY ${doc})
  configure_file(${CPACK_FLATKV_SOURCE}/packaging/copyright ${doc}/copyright COPYONLY)
  configure_file(${CPACK_FLATKV_SOURCE}/CHANGELOG.md ${doc}/changelog COPYONLY)
  file(WRITE ${doc}/changelog.Debian "${changelog}")
  file(GLOB pages ${place}/share/man/man*/*)
  run(gzip -9n ${doc}/changelog ${doc}/changelog.Debian ${pages})
  file(GLOB_RECURSE libraries ${place}/lib/*.a)
  foreach(library ${libraries})
    run(strip --strip-debug --enable-deterministic-archives ${library})
  endforeach()
endforeach()
