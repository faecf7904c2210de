// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <map>
#include <mutex>

#include "base/assert.hpp"
#include "base/bytes.hpp"
#include "fs/file_system.hpp"

// For the tests and fuzzers of this room only.
namespace flatkv::changelog::test {

/// Files in memory that know what a power cut would leave: content as of its last sync, names as of
/// the last sync of their directory. Records every change in `log`.
class MemoryFiles final : public fs::FileSystem {
 public:
  struct Node {
    fs::FileType type = fs::FileType::file;
    Bytes content;
    Bytes durable;
  };

  std::vector<std::string> log;
  /// Fails the operation after this many changes; negative: never.
  int fail_after = -1;
  /// Fails that read after this many, and no other; negative: none.
  int fail_read_after = -1;
  /// The order of `list`: no file system promises one.
  bool list_backwards = false;
  /// Total over all files.
  std::uint64_t bytes_read = 0;

  Result<std::unique_ptr<fs::AppendFile>> create(const std::string& path) override {
    const std::lock_guard lock(mutex_);
    FLATKV_TRY(change("create " + path));
    if (names_.contains(path)) return fail(ErrorCode::io, "exists").path(path);
    names_[path] = std::make_shared<Node>();
    return std::make_unique<Append>(*this, path, names_[path]);
  }
  Result<std::unique_ptr<fs::AppendFile>> open_append(const std::string& path) override {
    const std::lock_guard lock(mutex_);
    FLATKV_ASSIGN(auto node, find(path));
    return std::make_unique<Append>(*this, path, std::move(node));
  }
  Result<std::unique_ptr<fs::ReadFile>> open_read(const std::string& path) override {
    const std::lock_guard lock(mutex_);
    FLATKV_ASSIGN(auto node, find(path));
    if (node->type != fs::FileType::file) return fail(ErrorCode::io, "no file").path(path);
    return std::make_unique<Read>(*this, std::move(node));
  }
  Status make_directory(const std::string& path) override {
    const std::lock_guard lock(mutex_);
    FLATKV_TRY(change("mkdir " + path));
    if (names_.contains(path)) return fail(ErrorCode::io, "exists").path(path);
    names_[path] = std::make_shared<Node>(Node{fs::FileType::directory, {}, {}});
    return {};
  }
  Result<std::vector<fs::DirEntry>> list(const std::string& path) override {
    const std::lock_guard lock(mutex_);
    FLATKV_TRY(find(path));
    std::vector<fs::DirEntry> entries;
    for (const auto& [name, node] : names_) {
      if (in(path, name)) entries.push_back({name.substr(path.size() + 1), node->type});
    }
    if (list_backwards) std::ranges::reverse(entries);
    return entries;
  }
  Result<fs::FileInfo> stat(const std::string& path) override {
    const std::lock_guard lock(mutex_);
    FLATKV_ASSIGN(const auto node, find(path));
    const auto names = std::ranges::count(names_, node, [](const auto& one) { return one.second; });
    return fs::FileInfo{node->type, node->content.size(), 1, 1, static_cast<std::uint64_t>(names)};
  }
  Status rename(const std::string& from, const std::string& to) override {
    const std::lock_guard lock(mutex_);
    FLATKV_TRY(change("rename " + from + " " + to));
    FLATKV_ASSIGN(names_[to], find(from));
    names_.erase(from);
    return {};
  }
  Status link(const std::string& from, const std::string& to) override {
    const std::lock_guard lock(mutex_);
    FLATKV_TRY(change("link " + from + " " + to));
    FLATKV_ASSIGN(names_[to], find(from));
    return {};
  }
  Status unlink(const std::string& path) override {
    const std::lock_guard lock(mutex_);
    FLATKV_TRY(find(path));
    FLATKV_TRY(change("unlink " + path));
    names_.erase(path);
    return {};
  }
  Status remove_directory(const std::string& path) override { return unlink(path); }
  Status sync_directory(const std::string& path) override {
    const std::lock_guard lock(mutex_);
    FLATKV_TRY(change("syncdir " + path));
    std::erase_if(durable_, [&](const auto& entry) { return in(path, entry.first); });
    for (const auto& [name, node] : names_) {
      if (in(path, name)) durable_[name] = node;
    }
    return {};
  }
  Result<std::unique_ptr<fs::DirLock>> lock_directory(const std::string&) override {
    return fail(ErrorCode::unsupported, "no locks here");
  }
  Result<bool> is_network(const std::string&) override { return false; }

  /// Makes all names and content durable.
  void settle() {
    durable_ = names_;
    for (auto& [name, node] : names_) node->durable = node->content;
  }
  /// Keeps only what a power cut leaves. Directories stay.
  void power_cut() {
    for (const auto& [name, node] : names_) {
      if (node->type == fs::FileType::directory) durable_[name] = node;
    }
    names_ = durable_;
    for (auto& [name, node] : names_) node->content = node->durable;
  }
  /// Direct access for tests: creates, replaces, removes.
  Bytes& content(const std::string& path) { return names_.at(path)->content; }
  void put(const std::string& path, Bytes content, fs::FileType type = fs::FileType::file) {
    names_[path] = std::make_shared<Node>(Node{type, std::move(content), {}});
  }
  void erase(const std::string& path) { FLATKV_ASSERT(names_.erase(path) == 1); }
  bool same_file(const std::string& a, const std::string& b) const {
    return names_.at(a) == names_.at(b);
  }
  std::map<std::string, Bytes> everything() const {
    std::map<std::string, Bytes> all;
    for (const auto& [name, node] : names_) all[name] = node->content;
    return all;
  }
  void restore(const std::map<std::string, Bytes>& all) {
    names_.clear();
    for (const auto& [name, bytes] : all) put(name, bytes);
    put("log", {}, fs::FileType::directory);
    settle();
  }

 private:
  friend class Append;
  class Append final : public fs::AppendFile {
   public:
    Append(MemoryFiles& files, std::string path, std::shared_ptr<Node> node)
        : files_(files), path_(std::move(path)), node_(std::move(node)) {}
    Status append(std::span<const ByteView> parts) override {
      const std::lock_guard lock(files_.mutex_);
      FLATKV_TRY(files_.change("append " + path_));
      for (const ByteView part : parts) flatkv::append(node_->content, part);
      return {};
    }
    Status sync() override {
      const std::lock_guard lock(files_.mutex_);
      FLATKV_TRY(files_.change("sync " + path_));
      node_->durable = node_->content;
      return {};
    }
    Status truncate(std::uint64_t size) override {
      const std::lock_guard lock(files_.mutex_);
      FLATKV_TRY(files_.change("truncate " + path_));
      node_->content.resize(size);
      return {};
    }
    std::uint64_t size() const override { return node_->content.size(); }

   private:
    MemoryFiles& files_;
    std::string path_;
    std::shared_ptr<Node> node_;
  };
  class Read final : public fs::ReadFile {
   public:
    Read(MemoryFiles& files, std::shared_ptr<Node> node)
        : files_(files), node_(std::move(node)), size_(node_->content.size()) {}
    Result<std::size_t> read_at(std::uint64_t offset, std::span<std::uint8_t> into) const override {
      const std::lock_guard lock(files_.mutex_);
      if (files_.fail_read_after >= 0 && files_.fail_read_after-- == 0) {
        return fail(ErrorCode::io, "injected read");
      }
      if (offset >= node_->content.size()) return 0;
      const std::size_t size = std::min(into.size(), node_->content.size() - offset);
      files_.bytes_read += size;
      std::copy_n(node_->content.begin() + static_cast<std::ptrdiff_t>(offset), size, into.begin());
      return size;
    }
    std::uint64_t size() const override { return size_; }

   private:
    MemoryFiles& files_;
    std::shared_ptr<Node> node_;
    std::uint64_t size_;
  };

  static bool in(const std::string& directory, const std::string& name) {
    return name.starts_with(directory + "/") &&
           name.find('/', directory.size() + 1) == std::string::npos;
  }
  Status change(std::string what) {
    if (fail_after == 0) return fail(ErrorCode::io, "injected: " + what);
    if (fail_after > 0) --fail_after;
    log.push_back(std::move(what));
    return {};
  }
  Result<std::shared_ptr<Node>> find(const std::string& path) const {
    const auto found = names_.find(path);
    if (found == names_.end()) return fail(ErrorCode::not_found, "nothing").path(path);
    return found->second;
  }

  mutable std::mutex mutex_;
  std::map<std::string, std::shared_ptr<Node>> names_;
  std::map<std::string, std::shared_ptr<Node>> durable_;
};

}  // namespace flatkv::changelog::test
