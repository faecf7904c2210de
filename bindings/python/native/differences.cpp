// SPDX-License-Identifier: Apache-2.0
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/string_view.h>

#include <cstddef>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "arguments.hpp"
#include "flatkv/tools/digest.hpp"
#include "history.hpp"
#include "values.hpp"
#include "view.hpp"
#include "waiting.hpp"

namespace flatkv::python {
namespace {

using namespace nb::literals;

/// How many are collected at a time.
constexpr std::size_t kMost = 1024;

struct Difference {
  Database database = Database::account;
  Bytes key;
  std::optional<Bytes> a;
  std::optional<Bytes> b;
};

std::optional<Bytes> copy_of(const std::optional<ByteView>& bytes) {
  if (!bytes) return std::nullopt;
  return Bytes(bytes->begin(), bytes->end());
}

Result<std::vector<RangeDifference>> find_ranges(const ReadView& a, const ReadView& b,
                                                 DigestOptions options) {
  Result<StateDigest> of_a = digest_state(a, options);
  if (!of_a) return std::unexpected(std::move(of_a).error());
  Result<StateDigest> of_b = digest_state(b, options);
  if (!of_b) return std::unexpected(std::move(of_b).error());
  return differing_ranges(*of_a, *of_b);
}

/// A Python iterator over the rows that differ. Two scans find the ranges, when the first row is
/// asked for.
class Differences {
 public:
  Differences(ReadView a, ReadView b, std::optional<Database> database, nb::object progress)
      : a_(std::move(a)), b_(std::move(b)), progress_(std::move(progress)) {
    options_.database = database;
  }
  ~Differences() {
    if (origin_.is_here()) return;
    leave_to_parent(std::move(a_));
    leave_to_parent(std::move(b_));
  }
  Differences(const Differences&) = delete;
  Differences& operator=(const Differences&) = delete;

  Difference next() {
    origin_.check();
    if (reading_) refuse("another thread is reading from this iterator");
    reading_ = true;
    try {
      fill();
    } catch (...) {
      reading_ = false;
      throw;
    }
    reading_ = false;
    if (at_ == found_.size()) throw nb::stop_iteration();
    return std::move(found_[at_++]);
  }

 private:
  void fill() {
    if (!ranges_) {
      ranges_ = wait_for(
          [this](const Hooks& hooks) {
            options_.stop = hooks.stop;
            options_.progress = hooks.progress;
            return find_ranges(a_, b_, options_);
          },
          progress_);
      progress_ = nb::none();
    }
    while (at_ == found_.size() && next_range_ < ranges_->size()) {
      wait_for([this](const Hooks& hooks) { return read_more(hooks.stop); });
    }
  }

  /// Some rows of the range that is next. What is left of it comes the next time.
  Status read_more(const std::stop_token& stop) {
    found_.clear();
    at_ = 0;
    RangeDifference& range = (*ranges_)[next_range_];
    Error enough;
    enough.code = ErrorCode::cancelled;
    bool full = false;
    const auto keep = [&](const RowDifference& row) -> Status {
      full = found_.size() == kMost;
      if (full) return std::unexpected(Error(enough));
      found_.push_back({.database = row.database,
                        .key = Bytes(row.key.begin(), row.key.end()),
                        .a = copy_of(row.a),
                        .b = copy_of(row.b)});
      return {};
    };
    Status walked = diff_rows(a_, b_, range, keep, stop);
    if (full) {
      // The least key above the last one found.
      range.start = found_.back().key;
      range.start.push_back(0);
      return {};
    }
    ++next_range_;
    return walked;
  }

  Origin origin_;
  ReadView a_;
  ReadView b_;
  nb::object progress_;
  DigestOptions options_;
  std::optional<std::vector<RangeDifference>> ranges_;
  std::size_t next_range_ = 0;
  std::vector<Difference> found_;
  std::size_t at_ = 0;
  bool reading_ = false;  ///< guarded by the interpreter's lock
};

}  // namespace

void bind_differences(nb::module_& module) {
  nb::class_<Difference> difference(module, "Difference", "A row that two states have different.");
  difference.def_prop_ro("database",
                         [](const Difference& self) { return to_string(self.database); });
  difference.def_prop_ro(
      "key", [](const Difference& self) { return to_bytes(self.key); }, "The internal key.");
  difference.def_prop_ro(
      "a", [](const Difference& self) { return to_object(self.a); },
      nb::sig("def a(self) -> bytes | None"), "The value in the first state.");
  difference.def_prop_ro(
      "b", [](const Difference& self) { return to_object(self.b); },
      nb::sig("def b(self) -> bytes | None"), "The value in the second state.");
  difference.def("__repr__", [](const Difference& self) {
    return "<Difference " + std::string(to_string(self.database)) + " " + to_hex(self.key) + ">";
  });

  nb::class_<Differences> differences(module, "Differences", "The rows that differ: see `diff`.");
  differences.def(
      "__init__",
      [](Differences* self, const View& a, const View& b, std::optional<std::string> database,
         nb::object progress) {
        new (self)
            Differences(a.committed(), b.committed(), database_of(database), std::move(progress));
      },
      "a"_a, "b"_a, "database"_a.none(), "progress"_a.none(),
      nb::sig("def __init__(self, a: View, b: View, database: str | None, progress: "
              "collections.abc.Callable[[str, int, int], object] | None) -> None"));
  differences.def(
      "__iter__", [](nb::handle self) { return nb::borrow(self); },
      nb::sig("def __iter__(self) -> Differences"));
  differences.def("__next__", &Differences::next);
}

}  // namespace flatkv::python
