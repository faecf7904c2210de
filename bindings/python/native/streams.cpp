// SPDX-License-Identifier: Apache-2.0
#include "streams.hpp"

#include <nanobind/stl/string.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <system_error>
#include <utility>

#include "arguments.hpp"
#include "flatkv/tools/transfer.hpp"
#include "values.hpp"
#include "waiting.hpp"

namespace flatkv::python {
namespace {

using namespace nb::literals;

/// Each call into Python carries at least this much, or the end.
constexpr std::size_t kChunk = 1 << 20;

Error failed_in_python() {
  Error error;
  error.code = ErrorCode::io;
  error.message = "the stream raised an exception";
  return error;
}

/// Runs a step that calls into Python, and keeps what it raises for the thread that waits.
template <class Step>
Status in_python(const Hooks& hooks, Step&& step) {
  bool failed = false;
  const bool asked = with_interpreter([&] {
    try {
      step();
    } catch (nb::python_error& error) {
      error.restore();
      hooks.keep_exception();
      failed = true;
    }
  });
  if (asked && !failed) return {};
  return std::unexpected(failed_in_python());
}

class PythonSink : public ByteSink {
 public:
  PythonSink(const nb::object& write, const Hooks& hooks) : write_(write), hooks_(hooks) {}

  Status write(ByteView bytes) override {
    chunk_.insert(chunk_.end(), bytes.begin(), bytes.end());
    return chunk_.size() < kChunk ? Status{} : flush();
  }
  Status flush() {
    return in_python(hooks_, [this] {
      // A raw stream may take less than it is given.
      for (ByteView rest = chunk_; !rest.empty();) rest = rest.subspan(taken(rest));
      chunk_.clear();
    });
  }

 private:
  std::size_t taken(ByteView bytes) const {
    const nb::object count = write_(to_bytes(bytes));
    std::size_t number = bytes.size();
    if (count.is_none()) return number;
    if (!nb::try_cast(count, number) || number == 0 || number > bytes.size()) {
      refuse_type("write returned neither None nor how many bytes it took");
    }
    return number;
  }

  const nb::object& write_;
  const Hooks& hooks_;
  Bytes chunk_;
};

class PythonSource : public ByteSource {
 public:
  PythonSource(const nb::object& read, const Hooks& hooks) : read_(read), hooks_(hooks) {}

  Result<std::size_t> read(std::span<std::uint8_t> into) override {
    if (at_ == chunk_.size()) {
      Status more = in_python(hooks_, [this] {
        chunk_ = bytes_of(read_(kChunk), "what read returned");
        at_ = 0;
      });
      if (!more) return std::unexpected(std::move(more).error());
    }
    const std::size_t count = std::min(into.size(), chunk_.size() - at_);
    std::copy_n(chunk_.begin() + static_cast<std::ptrdiff_t>(at_), count, into.begin());
    at_ += count;
    return count;
  }

 private:
  const nb::object& read_;
  const Hooks& hooks_;
  Bytes chunk_;
  std::size_t at_ = 0;
};

TransferOptions options_of(const Hooks& hooks) {
  return {.stop = hooks.stop, .progress = hooks.progress};
}

/// Runs `with_path` or, for an object with `read`, `with_source`.
template <class WithPath, class WithSource>
StreamSummary read_stream(nb::handle source, const nb::object& progress, WithPath&& with_path,
                          WithSource&& with_source) {
  if (!nb::hasattr(source, "read")) {
    const std::string path = path_of(source);
    return wait_for([&](const Hooks& hooks) { return with_path(path, options_of(hooks)); },
                    progress);
  }
  const nb::object read = source.attr("read");
  return wait_for(
      [&](const Hooks& hooks) {
        PythonSource bytes(read, hooks);
        return with_source(bytes, options_of(hooks));
      },
      progress);
}

StreamSummary check_state(nb::handle source, nb::handle expect, nb::object progress) {
  const TrustedRoots trusted = trusted_of(expect);
  return read_stream(
      source, progress,
      [&](const std::string& path, const TransferOptions& options) {
        return check_file(path, trusted, options);
      },
      [&](ByteSource& bytes, const TransferOptions& options) {
        return check_stream(bytes, trusted, options);
      });
}

StreamSummary import_state(nb::handle source, nb::handle path, nb::handle expect, bool force,
                           nb::object progress) {
  const TrustedRoots trusted = trusted_of(expect);
  const std::string store = path_of(path);
  ImportOptions how;
  how.force = force;
  return read_stream(
      source, progress,
      [&](const std::string& file, const TransferOptions& options) {
        return import_file(file, store, how, trusted, options);
      },
      [&](ByteSource& bytes, const TransferOptions& options) {
        return import_stream(bytes, store, how, trusted, options);
      });
}

class FileSource : public ByteSource {
 public:
  explicit FileSource(const std::string& path) : path_(path), file_(path, std::ios::binary) {
    if (!file_) failed_ = errno;
  }
  Result<std::size_t> read(std::span<std::uint8_t> into) override {
    if (failed_ == 0) {
      file_.read(reinterpret_cast<char*>(into.data()), static_cast<std::streamsize>(into.size()));
      if (file_.bad()) failed_ = errno;
    }
    if (failed_ == 0) return static_cast<std::size_t>(file_.gcount());
    Error error;
    error.code = failed_ == ENOENT ? ErrorCode::not_found : ErrorCode::io;
    error.message = std::generic_category().message(failed_);
    error.path = path_;
    return std::unexpected(std::move(error));
  }

 private:
  std::string path_;
  std::ifstream file_;
  int failed_ = 0;
};

/// A compressed file, for flatkv.read_blocks.
class ZstdFile {
 public:
  explicit ZstdFile(const std::string& path) : file_(path), bytes_(file_) {}
  nb::bytes read(std::size_t size) {
    Bytes into(size);
    into.resize(unwrap(unlocked([&] { return bytes_.read(into); })));
    return to_bytes(into);
  }

 private:
  FileSource file_;
  ZstdSource bytes_;
};

}  // namespace

void export_to(const ReadView& view, nb::handle target, const nb::object& progress) {
  if (!nb::hasattr(target, "write")) {
    const std::string path = path_of(target);
    wait_for([&](const Hooks& hooks) { return export_to_file(view, path, options_of(hooks)); },
             progress);
    return;
  }
  const nb::object write = target.attr("write");
  wait_for(
      [&](const Hooks& hooks) {
        PythonSink sink(write, hooks);
        Status done = export_state(view, sink, options_of(hooks));
        return done ? sink.flush() : done;
      },
      progress);
}

void bind_streams(nb::module_& module) {
  module.def(
      "check_state", &check_state, "source"_a, nb::kw_only(), "expect"_a = nb::none(),
      "progress"_a = nb::none(),
      nb::sig(
          "def check_state(source: str | os.PathLike[str] | typing.BinaryIO, *, expect: Roots | "
          "bytes | str | None = None, progress: collections.abc.Callable[[str, int, "
          "int], object] | None = None) -> StreamSummary"),
      "Verifies an exported state without a store, from a file or an object with `read`. "
      "`expect` is a roots line that you trust, or a root alone, which does not say in "
      "which database a row lies. Stops at Ctrl-C.");
  module.def(
      "import_state", &import_state, "source"_a, "path"_a, nb::kw_only(), "expect"_a = nb::none(),
      "force"_a = false, "progress"_a = nb::none(),
      nb::sig("def import_state(source: str | os.PathLike[str] | typing.BinaryIO, path: str | "
              "os.PathLike[str], *, expect: Roots | bytes | str | None = None, force: bool "
              "= False, progress: collections.abc.Callable[[str, int, int], object] | None "
              "= None) -> StreamSummary"),
      "Makes a store at `path` of an exported state, checked as by `check_state`. `force` "
      "replaces a store that is there. Stops at Ctrl-C, and then changes nothing.");
  nb::class_<ZstdFile>(module, "ZstdFile",
                       "A compressed file, read as it was before: see `read_blocks`.")
      .def(
          "__init__", [](ZstdFile* self, nb::handle path) { new (self) ZstdFile(path_of(path)); },
          "path"_a)
      .def("read", &ZstdFile::read, "size"_a);
}

}  // namespace flatkv::python
