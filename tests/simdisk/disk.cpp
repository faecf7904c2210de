// SPDX-License-Identifier: Apache-2.0
#include "simdisk/disk.hpp"

#include <algorithm>
#include <cerrno>

#include "base/assert.hpp"

namespace flatkv::simdisk {

Disk::Disk() { root_ = make_inode(true); }

InodePtr Disk::make_inode(bool directory) {
  auto inode = std::make_shared<Inode>();
  inode->id = next_id_++;
  inode->directory = directory;
  inode->modified = clock_;
  all_.push_back(inode);
  return inode;
}

Disk::Verdict Disk::enter(Epoch epoch, Operation operation, std::string_view path) {
  if (epoch == epoch_ && watcher_ && changes(operation)) watcher_(operation, std::string(path));
  if (epoch != epoch_) return {.error = EIO};
  ++counts_[static_cast<std::size_t>(operation)];
  if (changes(operation)) {
    ++clock_;
    if (crash_in_ > 0 && --crash_in_ == 0) {
      crash_now(crash_mode_, crash_seed_);
      return {.error = EIO};
    }
  }
  for (auto fault = faults_.begin(); fault != faults_.end(); ++fault) {
    const bool kind =
        fault->operation.has_value() ? fault->operation == operation : changes(operation);
    if (!kind || !path.ends_with(fault->suffix) || !path.contains(fault->contains)) continue;
    if (fault->nth > 1) {
      --fault->nth;
      continue;
    }
    ++injected_;
    const Verdict verdict = {fault->error, fault->error == 0, fault->partial};
    if (fault->times > 0 && --fault->times == 0) faults_.erase(fault);
    return verdict;
  }
  return {};
}

int Disk::find(const std::string& path, Place& out) const {
  FLATKV_ASSERT(path.starts_with('/'));
  out = {nullptr, "", root_};
  for (std::size_t begin = 0; begin < path.size();) {
    const std::size_t end = std::min(path.find('/', begin), path.size());
    std::string name = path.substr(begin, end - begin);
    begin = end + 1;
    if (name.empty() || name == ".") continue;
    FLATKV_ASSERT(name != "..");
    if (!out.inode) return ENOENT;
    if (!out.inode->directory) return ENOTDIR;
    out.directory = out.inode;
    const auto found = out.directory->entries.find(name);
    out.inode = found == out.directory->entries.end() ? nullptr : found->second;
    out.name = std::move(name);
  }
  return 0;
}

void Disk::set_entry(const InodePtr& directory, const std::string& name, InodePtr target,
                     std::uint64_t sequence) {
  if (target) {
    ++target->links;
    directory->entries[name] = target;
  } else {
    directory->entries.erase(name);
  }
  directory->modified = clock_;
  directory->pending.push_back({sequence, name, std::move(target)});
}

void Disk::release(const InodePtr& inode) {
  if (--inode->links == 0 && !inode->directory) used_ -= inode->now.size();
}

void Disk::write(Inode& inode, ByteView content) {
  if (content.empty()) return;
  const std::uint64_t first = inode.now.size() / kPage;
  inode.now.insert(inode.now.end(), content.begin(), content.end());
  const std::uint64_t last = (inode.now.size() - 1) / kPage;
  for (std::uint64_t page = first; page <= last; ++page) inode.dirty.insert(page);
  if (inode.links > 0) used_ += content.size();
}

int Disk::create(Epoch epoch, const std::string& path, bool exclusive, Handle& out) {
  const std::lock_guard guard(mutex_);
  if (const Verdict verdict = enter(epoch, Operation::create, path); verdict.stop()) {
    return verdict.error;
  }
  Place place;
  if (const int error = find(path, place); error != 0) return error;
  if (place.inode) {
    if (exclusive) return EEXIST;
    if (place.inode->directory) return EISDIR;
    // Truncated in place, as by O_TRUNC.
    if (place.inode->links > 0) used_ -= place.inode->now.size();
    place.inode->now.clear();
    place.inode->dirty.clear();
  } else {
    if (room() == 0) return ENOSPC;
    place.inode = make_inode(false);
    set_entry(place.directory, place.name, place.inode, next_sequence_++);
  }
  out = {place.inode, path, epoch};
  return 0;
}

int Disk::open(Epoch epoch, const std::string& path, Handle& out) {
  const std::lock_guard guard(mutex_);
  if (const Verdict verdict = enter(epoch, Operation::open, path); verdict.stop()) {
    return verdict.error;
  }
  Place place;
  if (const int error = find(path, place); error != 0) return error;
  if (!place.inode) return ENOENT;
  if (place.inode->directory) return EISDIR;
  out = {place.inode, path, epoch};
  return 0;
}

int Disk::append(const Handle& file, std::span<const ByteView> parts) {
  const std::lock_guard guard(mutex_);
  const Verdict verdict = enter(file.epoch, Operation::append, file.path);
  if (verdict.stop() && !verdict.partial) return verdict.error;
  std::uint64_t total = 0;
  for (const ByteView part : parts) total += part.size();
  // A full disk takes what still fits and then fails, as after a short write.
  std::uint64_t allowed = std::min(verdict.stop() ? total / 2 : total, room());
  const bool full = !verdict.stop() && allowed < total;
  for (const ByteView part : parts) {
    const auto taken = static_cast<std::size_t>(std::min<std::uint64_t>(allowed, part.size()));
    write(*file.inode, part.first(taken));
    allowed -= taken;
  }
  file.inode->modified = clock_;
  return full ? ENOSPC : verdict.error;
}

int Disk::truncate(const Handle& file, std::uint64_t size) {
  const std::lock_guard guard(mutex_);
  if (const Verdict verdict = enter(file.epoch, Operation::truncate, file.path); verdict.stop()) {
    return verdict.error;
  }
  Inode& inode = *file.inode;
  if (size > inode.now.size()) return EINVAL;  // the store makes no holes
  if (inode.links > 0) used_ -= inode.now.size() - size;
  inode.now.resize(size);
  inode.dirty.erase(inode.dirty.lower_bound((size + kPage - 1) / kPage), inode.dirty.end());
  if (size % kPage != 0) inode.dirty.insert(size / kPage);
  return 0;
}

int Disk::sync(const Handle& file) {
  const std::lock_guard guard(mutex_);
  const Verdict verdict = enter(file.epoch, Operation::sync, file.path);
  if (verdict.lie || file.epoch != epoch_) return verdict.error;
  Inode& inode = *file.inode;
  if (verdict.error != 0) {
    // As on Linux: the pages are no longer dirty but stay visible, and no later sync writes them.
    inode.dirty.clear();
    return verdict.error;
  }
  inode.durable.resize(inode.now.size());
  for (const std::uint64_t page : inode.dirty) {
    const auto begin = static_cast<std::ptrdiff_t>(page * kPage);
    const auto end = std::min(begin + static_cast<std::ptrdiff_t>(kPage), std::ssize(inode.now));
    std::copy(inode.now.begin() + begin, inode.now.begin() + end, inode.durable.begin() + begin);
  }
  inode.dirty.clear();
  return 0;
}

int Disk::read(const Handle& file, std::uint64_t offset, std::span<std::uint8_t> into,
               std::size_t& got) {
  const std::lock_guard guard(mutex_);
  got = 0;
  if (const Verdict verdict = enter(file.epoch, Operation::read, file.path); verdict.stop()) {
    return verdict.error;
  }
  const Bytes& content = file.inode->now;
  if (offset >= content.size()) return 0;
  got = std::min(into.size(), content.size() - static_cast<std::size_t>(offset));
  std::copy_n(content.begin() + static_cast<std::ptrdiff_t>(offset), got, into.begin());
  return 0;
}

int Disk::make_directory(Epoch epoch, const std::string& path) {
  const std::lock_guard guard(mutex_);
  if (const Verdict verdict = enter(epoch, Operation::make_directory, path); verdict.stop()) {
    return verdict.error;
  }
  Place place;
  if (const int error = find(path, place); error != 0) return error;
  if (place.inode) return EEXIST;
  if (room() == 0) return ENOSPC;
  set_entry(place.directory, place.name, make_inode(true), next_sequence_++);
  return 0;
}

int Disk::remove_directory(Epoch epoch, const std::string& path) {
  const std::lock_guard guard(mutex_);
  if (const Verdict verdict = enter(epoch, Operation::remove_directory, path); verdict.stop()) {
    return verdict.error;
  }
  Place place;
  if (const int error = find(path, place); error != 0) return error;
  if (!place.inode) return ENOENT;
  if (!place.inode->directory) return ENOTDIR;
  if (!place.directory) return EBUSY;
  if (!place.inode->entries.empty()) return ENOTEMPTY;
  release(place.inode);
  set_entry(place.directory, place.name, nullptr, next_sequence_++);
  return 0;
}

int Disk::rename(Epoch epoch, const std::string& from, const std::string& to) {
  const std::lock_guard guard(mutex_);
  if (const Verdict verdict = enter(epoch, Operation::rename, to); verdict.stop()) {
    return verdict.error;
  }
  Place source;
  Place target;
  if (const int error = find(from, source); error != 0) return error;
  if (!source.inode) return ENOENT;
  if (const int error = find(to, target); error != 0) return error;
  if (!source.directory || !target.directory) return EBUSY;
  if (target.inode == source.inode) return 0;  // two names of one file: a no-op
  if (target.inode) {
    if (target.inode->directory && !source.inode->directory) return EISDIR;
    if (!target.inode->directory && source.inode->directory) return ENOTDIR;
    if (!target.inode->entries.empty()) return ENOTEMPTY;
    release(target.inode);
  }
  const std::uint64_t sequence = next_sequence_++;
  set_entry(source.directory, source.name, nullptr, sequence);
  set_entry(target.directory, target.name, source.inode, sequence);
  --source.inode->links;
  if (source.directory != target.directory) {
    moves_[sequence] = {source.directory, target.directory};
  }
  return 0;
}

int Disk::link(Epoch epoch, const std::string& from, const std::string& to) {
  const std::lock_guard guard(mutex_);
  if (const Verdict verdict = enter(epoch, Operation::link, to); verdict.stop()) {
    return verdict.error;
  }
  Place source;
  Place target;
  if (const int error = find(from, source); error != 0) return error;
  if (!source.inode) return ENOENT;
  if (source.inode->directory) return EPERM;
  if (const int error = find(to, target); error != 0) return error;
  if (target.inode) return EEXIST;
  set_entry(target.directory, target.name, source.inode, next_sequence_++);
  return 0;
}

int Disk::unlink(Epoch epoch, const std::string& path) {
  const std::lock_guard guard(mutex_);
  if (const Verdict verdict = enter(epoch, Operation::unlink, path); verdict.stop()) {
    return verdict.error;
  }
  Place place;
  if (const int error = find(path, place); error != 0) return error;
  if (!place.inode) return ENOENT;
  if (place.inode->directory) return EISDIR;
  release(place.inode);
  set_entry(place.directory, place.name, nullptr, next_sequence_++);
  return 0;
}

int Disk::open_directory(Epoch epoch, const std::string& path, Handle& out) {
  const std::lock_guard guard(mutex_);
  if (const Verdict verdict = enter(epoch, Operation::open, path); verdict.stop()) {
    return verdict.error;
  }
  Place place;
  if (const int error = find(path, place); error != 0) return error;
  if (!place.inode) return ENOENT;
  if (!place.inode->directory) return ENOTDIR;
  out = {place.inode, path, epoch};
  return 0;
}

void Disk::settle(Inode& directory, std::uint64_t sequence) {
  for (std::size_t i = 0; i < directory.pending.size(); ++i) {
    if (directory.pending[i].sequence != sequence) continue;
    const Change change = directory.pending[i];
    if (change.target) {
      directory.durable_entries[change.name] = change.target;
    } else {
      directory.durable_entries.erase(change.name);
    }
    // Earlier changes of that name no longer matter.
    std::erase_if(directory.pending, [&](const Change& other) {
      return other.name == change.name && other.sequence <= sequence;
    });
    i = static_cast<std::size_t>(-1);  // start over: indices have changed
  }
}

int Disk::sync_directory(const Handle& directory) {
  const std::lock_guard guard(mutex_);
  if (const Verdict verdict = enter(directory.epoch, Operation::sync_directory, directory.path);
      verdict.stop()) {
    return verdict.error;
  }
  Inode& inode = *directory.inode;
  while (!inode.pending.empty()) {
    const std::uint64_t sequence = inode.pending.front().sequence;
    settle(inode, sequence);
    // A rename is one step between two directories, too.
    if (const auto move = moves_.find(sequence); move != moves_.end()) {
      for (const InodePtr& side : move->second) settle(*side, sequence);
      moves_.erase(move);
    }
  }
  return 0;
}

int Disk::list(Epoch epoch, const std::string& path,
               std::vector<std::pair<std::string, bool>>& out) {
  const std::lock_guard guard(mutex_);
  if (const Verdict verdict = enter(epoch, Operation::list, path); verdict.stop()) {
    return verdict.error;
  }
  Place place;
  if (const int error = find(path, place); error != 0) return error;
  if (!place.inode) return ENOENT;
  if (!place.inode->directory) return ENOTDIR;
  out.clear();
  for (const auto& [name, inode] : place.inode->entries) out.emplace_back(name, inode->directory);
  return 0;
}

int Disk::stat(Epoch epoch, const std::string& path, Attributes& out) {
  const std::lock_guard guard(mutex_);
  if (const Verdict verdict = enter(epoch, Operation::stat, path); verdict.stop()) {
    return verdict.error;
  }
  Place place;
  if (const int error = find(path, place); error != 0) return error;
  if (!place.inode) return ENOENT;
  const Inode& inode = *place.inode;
  out = {inode.id, inode.now.size(), inode.modified, inode.links, inode.directory};
  return 0;
}

int Disk::lock(const Handle& handle) {
  const std::lock_guard guard(mutex_);
  if (const Verdict verdict = enter(handle.epoch, Operation::lock, handle.path); verdict.stop()) {
    return verdict.error;
  }
  return locked_.insert(handle.inode->id).second ? 0 : EWOULDBLOCK;
}

void Disk::unlock(const Handle& handle) {
  const std::lock_guard guard(mutex_);
  if (handle.epoch == epoch_) locked_.erase(handle.inode->id);
}

std::uint64_t Disk::size(const Handle& file) {
  const std::lock_guard guard(mutex_);
  return file.inode->now.size();
}

}  // namespace flatkv::simdisk
