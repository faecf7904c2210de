// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

namespace flatkv::bench {

/// The machine of a measurement, without which figures mean nothing.
struct Machine {
  std::string cpu;
  unsigned cores = 0;        ///< that this process may use
  std::uint64_t memory = 0;  ///< bytes, likewise
  std::string system;
  std::string file_system;  ///< of the given directory
  std::string date;         ///< UTC
  double load = 0;          ///< of the minute before
};
Machine look_at_machine(const std::string& directory);

/// Counters of this process, from the system.
struct Usage {
  std::uint64_t peak_memory = 0;  ///< largest resident size so far, bytes
  std::uint64_t written = 0;      ///< bytes handed to devices
  std::uint64_t read = 0;         ///< bytes that devices gave
  double processor_seconds = 0;   ///< of all threads
};
Usage usage();

/// Involuntary context switches of the calling thread so far; cheap.
std::uint64_t lost_the_core();

}  // namespace flatkv::bench
