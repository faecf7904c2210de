#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <mutex>

#include "base/bytes.hpp"
#include "blake3/blake3.hpp"
#include "changelog/writer.hpp"

// For the tests of this room only.
namespace flatkv::changelog::test {

/// Files in memory that know what would be left after a power cut: content as of its last sync,
/// names as of the last sync of their directory. Every change is written down in `log`.
class MemoryFiles final : public fs::FileSystem {
 public:
  struct Node {
    fs::FileType type = fs::FileType::file;
    Bytes content;
    Bytes durable;
  };

  std::vector<std::string> log;
  /// Fails the operation after that many changes; negative: never.
  int fail_after = -1;

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
    return entries;
  }
  Result<fs::FileInfo> stat(const std::string& path) override {
    const std::lock_guard lock(mutex_);
    FLATKV_ASSIGN(const auto node, find(path));
    return fs::FileInfo{node->type, node->content.size(), 1, 1};
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

  /// Makes all names and contents durable.
  void settle() {
    durable_ = names_;
    for (auto& [name, node] : names_) node->durable = node->content;
  }
  /// What a power cut leaves. Directories themselves stay.
  void power_cut() {
    for (const auto& [name, node] : names_) {
      if (node->type == fs::FileType::directory) durable_[name] = node;
    }
    names_ = durable_;
    for (auto& [name, node] : names_) node->content = node->durable;
  }
  /// Direct access for tests: makes, replaces, removes.
  Bytes& content(const std::string& path) { return names_.at(path)->content; }
  void put(const std::string& path, Bytes content, fs::FileType type = fs::FileType::file) {
    names_[path] = std::make_shared<Node>(Node{type, std::move(content), {}});
  }
  void erase(const std::string& path) { ASSERT_EQ(names_.erase(path), 1U); }
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
      if (offset >= node_->content.size()) return 0;
      const std::size_t size = std::min(into.size(), node_->content.size() - offset);
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

inline constexpr StoreId kStore = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
inline constexpr StoreId kOtherStore = {0xee};

inline Digest filled(unsigned byte) {
  Digest digest;
  digest.fill(static_cast<std::uint8_t>(byte));
  return digest;
}

inline Roots roots_of(std::int64_t version, unsigned salt = 0) {
  const auto base = static_cast<unsigned>(version * 8) + salt;
  return {filled(base), filled(base + 1), filled(base + 2), filled(base + 3), filled(base + 4)};
}

inline Bytes payload_of(std::int64_t version, std::size_t size = 20) {
  Bytes payload(size);
  for (std::size_t i = 0; i < size; ++i) {
    payload[i] = static_cast<std::uint8_t>(static_cast<std::size_t>(version) * 31 + i);
  }
  return payload;
}

/// Appends in two parts, as the store does.
inline Result<Digest> append_record(Writer& writer, std::int64_t version, const Bytes& payload,
                                    unsigned salt = 0) {
  const std::size_t split = payload.size() / 3;
  const std::array<ByteView, 2> parts = {ByteView(payload).first(split),
                                         ByteView(payload).subspan(split)};
  return writer.append(version, parts, blake3::hash(payload), roots_of(version, salt));
}

/// A record with any header, without a writer.
inline Bytes raw_record(const StoreId& store, RecordHeader header, const Bytes& payload) {
  header.payload_bytes = static_cast<std::uint32_t>(payload.size());
  header.payload_digest = blake3::hash(payload);
  const auto encoded = encode(store, header);
  // Not by insertion: GCC 12 warns falsely about vectors that grow.
  Bytes bytes(encoded.size() + payload.size());
  std::ranges::copy(payload, std::ranges::copy(encoded, bytes.begin()).out);
  return bytes;
}

/// A log in memory, in the directory "log".
class LogTest : public ::testing::Test {
 protected:
  static constexpr std::uint64_t kOneSegment = 1ULL << 30;

  std::string name(std::int64_t first) const { return "log/" + segment_name(first); }

  void create(std::int64_t base = 0) {
    base_ = {base, base_digest(kStore, base, roots_of(base))};
    ASSERT_TRUE(create_log(files, "log", kStore, base_));
  }
  std::unique_ptr<Writer> writer(std::uint64_t segment_bytes = kOneSegment) {
    auto opened = Writer::open(files, "log", look(0, false)->tip, {kStore, segment_bytes});
    EXPECT_TRUE(opened) << opened.error().to_string();
    return std::move(*opened);
  }
  /// Records base + 1 to `last`, each of `size` bytes, closed.
  void fill(std::int64_t last, std::uint64_t segment_bytes = kOneSegment, std::size_t size = 20) {
    create();
    const auto log = writer(segment_bytes);
    for (std::int64_t version = 1; version <= last; ++version) {
      ASSERT_TRUE(append_record(*log, version, payload_of(version, size)));
      ASSERT_TRUE(log->sync());
    }
  }
  Result<std::optional<Survey>> try_look(std::int64_t from = 0, bool check = true,
                                         const StoreId& store = kStore) {
    return survey(files, "log", {store, from, check});
  }
  std::optional<Survey> look(std::int64_t from = 0, bool check = true) {
    auto found = try_look(from, check);
    EXPECT_TRUE(found) << found.error().to_string();
    return found ? std::move(*found) : std::nullopt;
  }
  ErrorCode refusal(std::int64_t from = 0, const StoreId& store = kStore) {
    const auto found = try_look(from, true, store);
    EXPECT_FALSE(found);
    if (found) return ErrorCode::cancelled;
    EXPECT_FALSE(found.error().path.empty());
    return found.error().code;
  }

  MemoryFiles files;
  Base base_;
};

}  // namespace flatkv::changelog::test
