// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <functional>
#include <new>
#include <string>
#include <utility>
#include <vector>

#include "base/bytes.hpp"
#include "failing_allocations.hpp"
#include "flatkv/flatkv.h"
#include "flatkv/keys.hpp"
#include "support/changes.hpp"
#include "support/fault_counts.hpp"
#include "support/files.hpp"

namespace flatkv::test {

using Call = std::function<flatkv_error*()>;
/// Makes the call with one allocation failing.
using Armed = std::function<flatkv_error*(const Call&)>;
/// What stands before and after such a call. Returns the error of the call.
using Scene = std::function<flatkv_error*(const Armed&)>;

inline constexpr std::int64_t kBlocks = 3;
inline constexpr flatkv_bytes kNone{.data = nullptr, .size = 0};
inline constexpr std::array<std::uint8_t, 20> kOwner{9, 9};
inline constexpr std::array<std::uint8_t, 32> kSlot{7};
inline const Bytes& nonce() {
  static const Bytes kKey = to_bytes(nonce_key(kOwner));
  return kKey;
}

inline void put_length(Bytes& into, std::size_t length) {
  for (int shift = 0; shift < 32; shift += 8) {
    into.push_back(static_cast<std::uint8_t>(length >> shift));
  }
}
inline void put_counted(Bytes& into, ByteView bytes) {
  put_length(into, bytes.size());
  into.insert(into.end(), bytes.begin(), bytes.end());
}

/// Rows of all databases, as flatkv_apply takes them.
inline Bytes packed_block(std::int64_t version) {
  const auto last = static_cast<std::uint8_t>(version);
  Bytes block;
  put_counted(block, as_bytes("evm"));
  put_length(block, 5);
  const auto set = [&](ByteView key, ByteView value) {
    block.push_back(0);
    put_counted(block, key);
    put_counted(block, value);
  };
  set(nonce(), Bytes{0, 0, 0, 0, 0, 0, 0, last});
  set(code_key(kOwner), Bytes(300, last));
  set(storage_key(kOwner, kSlot), Bytes(40, last));
  set(storage_key(kOwner, slot(100 + last)), Bytes(40, last));
  set(as_bytes("a legacy key of some length"), Bytes(50, last));
  return block;
}

/// An empty struct that says its size.
template <class T>
T sized() {
  T made{};
  made.size = sizeof made;
  return made;
}

inline void good(flatkv_error* error) {
  EXPECT_EQ(flatkv_error_code(error), FLATKV_OK) << flatkv_error_text(error);
  flatkv_free(error);
}

class AllocationInC : public ::testing::Test {
 protected:
  void SetUp() override {
    for (std::int64_t version = 0; version <= kBlocks + 3; ++version) {
      blocks_.push_back(packed_block(version));
    }
    good(flatkv_options_new(&options_));
    set(FLATKV_CREATE_IF_MISSING, 1);
    set(FLATKV_DURABILITY, 1);
    set(FLATKV_THREADS, 1);
    set(FLATKV_ROW_CACHE_BYTES, 1 << 20);
    set(FLATKV_KEY_FILTER_BYTES, 0);
    set(FLATKV_SCRUB, 1);
    set(FLATKV_REPLACE, 1);
    good(flatkv_open(base_.c_str(), options_, &store_));
    for (std::int64_t version = 1; version <= kBlocks; ++version) {
      good(commit(store_, version));
      if (version == 1) good(flatkv_snapshot(store_));
    }
    good(flatkv_close(store_));
    flatkv_free(store_);
    copy_tree(base_, path_);
    good(flatkv_open(path_.c_str(), options_, &store_));
    good(flatkv_view_new(store_, &view_));
    good(flatkv_overlay_new(store_, &overlay_));
    good(flatkv_apply(overlay_, blocks_[1].data(), blocks_[1].size()));
    good(flatkv_open_reader(path_.c_str(), options_, &reader_));
    good(flatkv_export(view_, &write, &stream_, nullptr));
  }
  void TearDown() override {
    for (void* handle :
         {static_cast<void*>(view_), static_cast<void*>(overlay_), static_cast<void*>(reader_),
          static_cast<void*>(store_), static_cast<void*>(options_)}) {
      flatkv_free(handle);
    }
  }

  void set(std::uint32_t option, std::uint64_t value) {
    good(flatkv_options_set(options_, option, value));
  }
  flatkv_error* commit(flatkv_store* store, std::int64_t version) const {
    const Bytes& block = blocks_.at(static_cast<std::size_t>(version));
    return flatkv_apply_commit(store, block.data(), block.size(), version, nullptr);
  }

  static std::int32_t write(void* into, const std::uint8_t* data, std::size_t size) {
    try {
      auto& bytes = *static_cast<Bytes*>(into);
      bytes.insert(bytes.end(), data, data + size);
      return 0;
    } catch (const std::bad_alloc&) {
      return 1;
    }
  }
  static std::int32_t drop(void*, const std::uint8_t*, std::size_t) { return 0; }
  static std::int64_t read(void* from, std::uint8_t* into, std::size_t size) {
    auto& left = *static_cast<ByteView*>(from);
    size = std::min(size, left.size());
    std::copy_n(left.begin(), size, into);
    left = left.subspan(size);
    return static_cast<std::int64_t>(size);
  }

  /// Whether all N are tried. FLATKV_FAULT_FULL=1: of a sample, too, or with FLATKV_PART=I/M every
  /// Mth.
  enum class Of : std::uint8_t { all, sample };

  /// Makes the call of a scene with every allocation failing once. Returns how often it was
  /// refused.
  static unsigned fail_each(const std::string& name, const Scene& scene, Of which = Of::all,
                            std::uint32_t otherwise = FLATKV_OK) {
    SCOPED_TRACE(name);
    const bool all = which == Of::all || std::getenv("FLATKV_FAULT_FULL") != nullptr;
    const Part part = which == Of::all ? Part{} : part_of_cases();
    unsigned refused = 0;
    for (std::uint64_t nth = part.index;;) {
      bool failed = false;
      std::uint64_t same = 0;
      flatkv_error* error = scene([&](const Call& run) {
        fail_allocation(Whose::callers, nth);
        flatkv_error* given = run();
        failed = allocation_failed();
        same = allocations_passed_over();
        return given;
      });
      const std::uint32_t code = flatkv_error_code(error);
      if (!failed) {
        EXPECT_EQ(code, otherwise) << flatkv_error_text(error);
      } else if (code != otherwise) {
        EXPECT_TRUE(code == FLATKV_OUT_OF_MEMORY || code == FLATKV_STORE_FAILED)
            << nth << ": " << flatkv_error_text(error);
        ++refused;
      }
      flatkv_free(error);
      if (!failed || HasFailure()) return refused;
      count_fault("N3", code == otherwise ? Came::recovered : Came::failed);
      nth += part.count * (1 + (all ? same / part.count : nth / 8));
    }
  }

  using Scenes = std::vector<std::pair<std::string, Scene>>;
  static void fail_all(const Scenes& scenes, Of which = Of::all) {
    for (const auto& [name, scene] : scenes) {
      EXPECT_GT(fail_each(name, scene, which), 0U) << name << " was never refused";
      if (HasFailure()) return;
    }
  }

  /// A call with nothing around it.
  static Scene alone(Call run) {
    return [run = std::move(run)](const Armed& armed) { return armed(run); };
  }

  /// A call that hands out something; it is freed.
  template <class Opaque>
  static Scene making(std::function<flatkv_error*(Opaque**)> make) {
    return [make = std::move(make)](const Armed& armed) {
      Opaque* made = nullptr;
      flatkv_error* error = armed([&] { return make(&made); });
      EXPECT_EQ(error == nullptr, made != nullptr);
      flatkv_free(made);
      return error;
    };
  }

  /// A call for a store of its own, which is opened again afterwards.
  Scene writing(std::function<flatkv_error*(flatkv_store*)> write_it,
                std::int64_t lowest = kBlocks) {
    return [this, write_it = std::move(write_it), lowest](const Armed& armed) {
      copy_tree(base_, own_);
      flatkv_store* store = nullptr;
      good(flatkv_open(own_.c_str(), options_, &store));
      flatkv_error* error = armed([&] { return write_it(store); });
      flatkv_error* next = commit(store, flatkv_version(store) + 1);
      const std::uint32_t code = flatkv_error_code(next);
      EXPECT_TRUE(code == FLATKV_OK || code == FLATKV_STORE_FAILED) << flatkv_error_text(next);
      flatkv_free(next);
      const std::int64_t least = code == FLATKV_OK ? flatkv_version(store) : lowest;
      const std::int64_t most = flatkv_version(store) + (code == FLATKV_OK ? 0 : 1);
      flatkv_free(store);
      whole(own_, least, most);
      return error;
    };
  }

  /// A call that works on the closed store at `own_`, or makes one there.
  Scene on_path(const Call& run, bool there = true, std::int64_t least = kBlocks,
                std::int64_t most = kBlocks) {
    return [=, this](const Armed& armed) {
      remove_tree(own_);
      if (there) copy_tree(base_, own_);
      flatkv_error* error = armed(run);
      if (there || error == nullptr) whole(own_, least, most);
      return error;
    };
  }

  /// The store opens, and has the rows of its root.
  void whole(const std::string& path, std::int64_t least, std::int64_t most) const {
    flatkv_store* store = nullptr;
    flatkv_report* report = nullptr;
    good(flatkv_open(path.c_str(), options_, &store));
    EXPECT_GE(flatkv_version(store), least);
    EXPECT_LE(flatkv_version(store), most);
    good(flatkv_verify(store, options_, &report));
    EXPECT_EQ(flatkv_report_good(report), 1U);
    flatkv_free(report);
    good(flatkv_close(store));
    flatkv_free(store);
  }

  TempDir directory_;
  std::string base_ = directory_.path("base");
  std::string path_ = directory_.path("store");
  std::string own_ = directory_.path("own");
  std::vector<Bytes> blocks_;  ///< by version
  Bytes stream_;
  flatkv_store* store_ = nullptr;
  flatkv_view* view_ = nullptr;
  flatkv_overlay* overlay_ = nullptr;
  flatkv_reader* reader_ = nullptr;
  flatkv_options* options_ = nullptr;
};

}  // namespace flatkv::test
