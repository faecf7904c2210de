// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <new>
#include <utility>

#include "base/fork.hpp"
#include "flatkv/options.hpp"
#include "state/open_generation.hpp"

// A store and what surrounds its process.
namespace flatkv::state {

/// Bytes of Options::kAutoCache: a quarter of `memory`, up to 4 GiB, and no more than the other
/// options leave of it. Taken from the system only as it fills.
std::uint64_t automatic_row_cache(const Options& options, std::uint64_t memory);

/// For the log: what was made of options that leave it to the store.
std::string chosen_text(const Options& options);

/// `store_failed` where the path of the store leads elsewhere now: everything that is written or
/// removed by path asks before. (Who moves a store while it is open can still be faster.)
Status check_there(const OpenGeneration& lifetime);

/// In a forked child, before what `owner` points to would be destroyed: keeps it for good. It is
/// the parent's, and the threads that its destructor waits for are not in the child.
template <class Owner>
void leave_to_parent(Owner& owner) noexcept {
  if (!is_forked()) return;
  alignas(Owner) std::byte kept[sizeof(Owner)];  // never destroyed
  ::new (static_cast<void*>(kept)) Owner(std::move(owner));
}

}  // namespace flatkv::state
