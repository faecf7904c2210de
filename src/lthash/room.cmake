# SPDX-License-Identifier: Apache-2.0
if(TARGET lthash_test)
  target_link_libraries(lthash_test PRIVATE nlohmann_json::nlohmann_json)
endif()
