// SPDX-License-Identifier: Apache-2.0
#include "support/checks.hpp"

namespace flatkv::test {

using ::testing::AssertionFailure;
using ::testing::AssertionResult;
using ::testing::AssertionSuccess;

AssertionResult same_roots(const Roots& found, const Roots& wanted) {
  std::string text;
  const auto compare = [&text](const char* name, const Digest& a, const Digest& b) {
    if (a != b) text += std::string(name) + " " + to_hex(a) + " is not " + to_hex(b) + "; ";
  };
  compare("root", found.root, wanted.root);
  compare("account", found.account, wanted.account);
  compare("code", found.code, wanted.code);
  compare("storage", found.storage, wanted.storage);
  compare("legacy", found.legacy, wanted.legacy);
  return text.empty() ? AssertionSuccess() : AssertionFailure() << text;
}

}  // namespace flatkv::test
