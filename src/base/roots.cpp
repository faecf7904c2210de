// SPDX-License-Identifier: Apache-2.0
#include "flatkv/roots.hpp"

namespace flatkv {

const Digest& Roots::of(Database database) const noexcept {
  switch (database) {
    case Database::account:
      return account;
    case Database::code:
      return code;
    case Database::storage:
      return storage;
    case Database::legacy:
      return legacy;
    case Database::metadata:
      break;
  }
  return root;
}

}  // namespace flatkv
