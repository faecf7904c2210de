// SPDX-License-Identifier: Apache-2.0
// damage_row STORE DB KEY: changes the last byte of one stored row of a closed store through
// RocksDB alone, as another program or an intruder would. All block checksums are valid afterwards;
// only the hash of the database shows it. Built with the tests, never installed.
#include <exception>
#include <iostream>
#include <stdexcept>

#include "support/changes.hpp"
#include "support/files.hpp"
#include "support/tamper.hpp"

namespace {

void damage(const std::string& store, const std::string& database, const std::string& key) {
  using namespace flatkv::test;
  const std::string directory = working(store, database);
  const flatkv::Bytes stored = row_key(hex(key));
  auto value = peek(directory, stored);
  if (!value || value->empty()) throw std::runtime_error("there is no such row, or it is empty");
  value->back() ^= 1;
  tamper(directory, {{stored, value}});
  std::cout << database << " row " << key << " is now " << flatkv::to_hex(*value) << "\n";
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) {
    std::cerr << "usage: damage_row STORE account|code|storage|legacy KEY_IN_HEX\n";
    return 2;
  }
  try {
    damage(argv[1], argv[2], argv[3]);
  } catch (const std::exception& error) {
    std::cerr << "damage_row: " << error.what() << "\n";
    return 1;
  }
  return 0;
}
