// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <new>
#include <utility>

#include "base/fork.hpp"
#include "flatkv/options.hpp"
#include "state/open_generation.hpp"

// What a store needs to know about its process and machine.
namespace flatkv::state {

/// Size in bytes that CacheOptions::kAutomatic stands for: a quarter of `memory`, at most 4 GiB,
/// and no more than the other options leave. The system provides the memory only as the cache
/// fills.
std::uint64_t automatic_row_cache(const Options& options, std::uint64_t memory);

/// For the log: the values chosen for options that were left to the store.
std::string chosen_text(const Options& options);

/// `store_failed` if the store's path now leads elsewhere. Call before writing or removing anything
/// by path. (A move between this check and the write goes unnoticed.)
Status check_there(const OpenGeneration& lifetime);

/// The object is never destroyed.
template <class Owner>
void leak(Owner& owner) noexcept {
  alignas(Owner) std::byte kept[sizeof(Owner)];
  ::new (static_cast<void*>(kept)) Owner(std::move(owner));
}

/// Call in a forked child before `owner` would be destroyed: leaks its object. It belongs to the
/// parent, and the threads that its destructor would join do not exist in the child.
template <class Owner>
void leave_to_parent(Owner& owner) noexcept {
  if (is_forked()) leak(owner);
}

}  // namespace flatkv::state
