# SPDX-License-Identifier: Apache-2.0
if(TARGET base_test)
  target_compile_definitions(base_test PRIVATE FLATKV_PROJECT_VERSION="${PROJECT_VERSION}")
endif()
