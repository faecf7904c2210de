// SPDX-License-Identifier: Apache-2.0
// What a power cut leaves, and the other things that only a test can do to a disk.
#include <algorithm>
#include <functional>
#include <random>

#include "base/assert.hpp"
#include "simdisk/disk.hpp"

namespace flatkv::simdisk {
namespace {

/// The same numbers for a seed with every standard library.
class Dice {
 public:
  explicit Dice(std::uint64_t seed) : engine_(seed) {}
  std::uint64_t below(std::uint64_t limit) { return limit == 0 ? 0 : engine_() % limit; }
  bool chance(unsigned percent) { return below(100) < percent; }

 private:
  std::mt19937_64 engine_;
};

ByteView piece(const Bytes& content, std::size_t begin, std::size_t length) {
  if (begin >= content.size()) return {};
  return ByteView(content).subspan(begin, std::min(length, content.size() - begin));
}

/// Copies a piece of `from` over `to`; zeros beyond the end of `from`.
void put(Bytes& to, const Bytes& from, std::size_t begin, std::size_t length) {
  const std::size_t end = std::min(begin + length, to.size());
  if (begin >= end) return;
  const ByteView source = piece(from, begin, end - begin);
  const auto at =
      std::copy(source.begin(), source.end(), to.begin() + static_cast<std::ptrdiff_t>(begin));
  std::fill(at, to.begin() + static_cast<std::ptrdiff_t>(end), std::uint8_t{0});
}

std::size_t choose_size(Dice& dice, std::size_t old_size, std::size_t new_size) {
  const auto [low, high] = std::minmax(old_size, new_size);
  switch (dice.below(4)) {
    case 0:
      return old_size;
    case 1:
      return new_size;
    case 2:
      return low + static_cast<std::size_t>(dice.below(high - low + 1));
    default:
      return std::clamp(
          (low + static_cast<std::size_t>(dice.below(high - low + 1))) / kPage * kPage, low, high);
  }
}

void decide_file(Inode& file, Dice& dice, CrashReport& report) {
  ++report.files_changed;
  Bytes left(choose_size(dice, file.durable.size(), file.now.size()));
  for (std::size_t begin = 0; begin < left.size(); begin += kPage) {
    const ByteView before = piece(file.durable, begin, kPage);
    const ByteView after = piece(file.now, begin, kPage);
    const std::uint64_t fate = std::ranges::equal(before, after) ? 0 : 1 + dice.below(3);
    if (fate <= 1) {
      put(left, file.durable, begin, kPage);
      report.pages_old += static_cast<unsigned>(fate);
    } else if (fate == 2) {
      put(left, file.now, begin, kPage);
      ++report.pages_new;
    } else {
      for (std::size_t at = begin; at < begin + kPage; at += kSector) {
        put(left, dice.chance(50) ? file.now : file.durable, at, kSector);
      }
      ++report.pages_mixed;
    }
  }
  file.durable = std::move(left);
}

}  // namespace

std::vector<InodePtr> Disk::inodes() const {
  std::vector<InodePtr> alive;
  for (const auto& inode : all_) {
    if (InodePtr locked = inode.lock()) alive.push_back(std::move(locked));
  }
  return alive;  // in order of creation
}

/// Decides which unsynced changes of names survive: either a prefix of all of them, as with a
/// journal, or each by itself, but none whose name was touched by a change that was lost.
/// `lose_one` and `keep_one` leave less to chance.
void Disk::decide_entries(CrashMode mode, std::uint64_t seed) {
  Dice dice(seed);
  std::map<std::uint64_t, std::vector<Inode*>> changes;
  const std::vector<InodePtr> alive = inodes();
  for (const InodePtr& inode : alive) {
    for (const Change& change : inode->pending) changes[change.sequence].push_back(inode.get());
  }
  const bool journal = dice.chance(25);
  const std::uint64_t prefix = dice.below(changes.size() + 1);
  constexpr std::array<unsigned, 4> kOdds = {10, 50, 50, 90};
  const unsigned odds = kOdds[dice.below(kOdds.size())];
  const std::uint64_t chosen = seed % (changes.size() + 1);
  std::set<std::pair<std::uint64_t, std::string>> lost_names;
  std::uint64_t seen = 0;
  for (const auto& [sequence, directories] : changes) {
    std::vector<std::pair<std::uint64_t, std::string>> names;
    for (const Inode* directory : directories) {
      for (const Change& change : directory->pending) {
        if (change.sequence == sequence) names.emplace_back(directory->id, change.name);
      }
    }
    bool kept = journal ? seen < prefix : dice.chance(odds);
    if (mode != CrashMode::random) kept = (seen == chosen) == (mode == CrashMode::keep_one);
    ++seen;
    kept =
        kept && std::ranges::none_of(names, [&](const auto& n) { return lost_names.contains(n); });
    ++(kept ? report_.entries_kept : report_.entries_lost);
    if (kept) {
      for (Inode* directory : directories) settle(*directory, sequence);
    } else {
      lost_names.insert(names.begin(), names.end());
    }
  }
}

void Disk::crash_now(CrashMode mode, std::uint64_t seed) {
  ++epoch_;
  locked_.clear();
  crash_in_ = 0;
  faults_.clear();
  report_ = {.mode = mode};
  if (mode == CrashMode::process) return;
  if (mode >= CrashMode::random) decide_entries(mode, seed);
  Dice dice(seed ^ 0x9E3779B97F4A7C15ULL);
  for (const InodePtr& inode : inodes()) {
    if (mode == CrashMode::keep_all) {
      inode->durable = inode->now;
      inode->durable_entries = inode->entries;
    } else if (mode == CrashMode::random && !inode->directory && inode->durable != inode->now) {
      decide_file(*inode, dice, report_);
    }
    inode->now = inode->durable;
    inode->dirty.clear();
    inode->entries = inode->durable_entries;
    inode->pending.clear();
  }
  moves_.clear();
  recount();
  std::erase_if(all_, [](const auto& inode) { return inode.expired(); });
}

void Disk::recount() {
  const std::vector<InodePtr> alive = inodes();
  for (const InodePtr& inode : alive) inode->links = 0;
  used_ = 0;
  const std::function<void(const Inode&)> walk = [&](const Inode& directory) {
    for (const auto& [name, inode] : directory.entries) {
      if (++inode->links > 1) continue;
      used_ += inode->now.size();
      walk(*inode);
    }
  };
  walk(*root_);
}

Disk::Disk(const Disk& other) {
  const std::lock_guard guard(other.mutex_);
  std::map<const Inode*, InodePtr> copies;
  const std::vector<InodePtr> originals = other.inodes();
  for (const InodePtr& inode : originals) {
    copies[inode.get()] = std::make_shared<Inode>(*inode);
    all_.push_back(copies[inode.get()]);
  }
  const auto copied = [&](const InodePtr& inode) {
    return inode ? copies.at(inode.get()) : nullptr;
  };
  for (const auto& [original, copy] : copies) {
    for (auto& [name, inode] : copy->entries) inode = copied(inode);
    for (auto& [name, inode] : copy->durable_entries) inode = copied(inode);
    for (Change& change : copy->pending) change.target = copied(change.target);
  }
  for (const auto& [sequence, sides] : other.moves_) {
    moves_[sequence] = {copied(sides[0]), copied(sides[1])};
  }
  root_ = copied(other.root_);
  next_id_ = other.next_id_;
  next_sequence_ = other.next_sequence_;
  clock_ = other.clock_;
  capacity_ = other.capacity_;
  used_ = other.used_;
  // A copy is a machine that has not started: unlinked files are gone, nothing is locked.
  recount();
}

Epoch Disk::epoch() {
  const std::lock_guard guard(mutex_);
  return epoch_;
}

void Disk::crash(CrashMode mode, std::uint64_t seed) {
  const std::lock_guard guard(mutex_);
  crash_now(mode, seed);
}

void Disk::crash_at(std::uint64_t nth, CrashMode mode, std::uint64_t seed) {
  const std::lock_guard guard(mutex_);
  crash_in_ = nth;
  crash_mode_ = mode;
  crash_seed_ = seed;
}

CrashReport Disk::last_crash() {
  const std::lock_guard guard(mutex_);
  return report_;
}

void Disk::inject(Fault fault) {
  const std::lock_guard guard(mutex_);
  FLATKV_ASSERT(fault.error != 0 || fault.operation == Operation::sync ||
                fault.operation == Operation::sync_directory);
  faults_.push_back(std::move(fault));
}

void Disk::clear_faults() {
  const std::lock_guard guard(mutex_);
  faults_.clear();
}

void Disk::watch(std::function<void(Operation, const std::string&)> watcher) {
  const std::lock_guard guard(mutex_);
  watcher_ = std::move(watcher);
}

std::uint64_t Disk::injected() {
  const std::lock_guard guard(mutex_);
  return injected_;
}

std::uint64_t Disk::changes_made() {
  const std::lock_guard guard(mutex_);
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < kOperations; ++i) {
    if (changes(static_cast<Operation>(i))) sum += counts_[i];
  }
  return sum;
}

std::uint64_t Disk::count(Operation operation) {
  const std::lock_guard guard(mutex_);
  return counts_[static_cast<std::size_t>(operation)];
}

void Disk::set_capacity(std::uint64_t bytes) {
  const std::lock_guard guard(mutex_);
  capacity_ = bytes;
}

std::uint64_t Disk::used() {
  const std::lock_guard guard(mutex_);
  return used_;
}

std::uint64_t Disk::capacity() {
  const std::lock_guard guard(mutex_);
  return capacity_;
}

std::map<std::string, Bytes> Disk::tree(const std::string& path, bool durable) {
  const std::lock_guard guard(mutex_);
  std::map<std::string, Bytes> all;
  const std::function<void(const std::string&, const Inode&)> walk = [&](const std::string& at,
                                                                         const Inode& inode) {
    if (!inode.directory) {
      all[at] = durable ? inode.durable : inode.now;
      return;
    }
    for (const auto& [name, child] : durable ? inode.durable_entries : inode.entries) {
      std::string below = at;
      below.append("/").append(name);
      walk(below, *child);
    }
  };
  walk("", *root_);
  std::erase_if(all, [&](const auto& file) { return !file.first.starts_with(path); });
  return all;
}

bool Disk::overwrite(const std::string& path, Bytes content) {
  const std::lock_guard guard(mutex_);
  Place place;
  if (find(path, place) != 0 || !place.inode || place.inode->directory) return false;
  place.inode->now = place.inode->durable = std::move(content);
  place.inode->dirty.clear();
  recount();
  return true;
}

}  // namespace flatkv::simdisk
