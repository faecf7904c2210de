#pragma once

#include <cstdint>
#include <memory>

#include "store/core.hpp"

// A store and what surrounds its process.
namespace flatkv::store {

/// Bytes of Options::kAutoCache: a quarter of `memory`, up to 4 GiB, and no more than the other
/// options leave of it. Taken from the system only as it fills.
std::uint64_t automatic_row_cache(const Options& options, std::uint64_t memory);

/// For the log: what was made of options that leave it to the store.
std::string chosen_text(const Options& options);

/// `store_failed` where the path of the store leads elsewhere now: everything that is written or
/// removed by path asks before. (Who moves a store while it is open can still be faster.)
Status check_there(const Lifetime& lifetime);

/// In a forked child, before the core would be destroyed: leaks it. It is the parent's, and the
/// threads that a close waits for are not in the child.
void leave_to_parent(std::unique_ptr<Core>& core) noexcept;
void leave_to_parent(std::shared_ptr<Core>& core) noexcept;

}  // namespace flatkv::store
