// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "c_interface/handle.hpp"
#include "c_interface/packed.hpp"

namespace flatkv::c_interface {
namespace {

Failure stopped(const char* who) { return fail(ErrorCode::cancelled, who); }

class CallbackSink : public ByteSink {
 public:
  CallbackSink(flatkv_write_callback callback, void* user) noexcept
      : callback_(callback), user_(user) {}
  Status write(ByteView bytes) override {
    if (callback_(user_, bytes.data(), bytes.size()) == 0) return {};
    return stopped("the write callback ended the export");
  }

 private:
  flatkv_write_callback callback_;
  void* user_;
};

class CallbackSource : public ByteSource {
 public:
  CallbackSource(flatkv_read_callback callback, void* user) noexcept
      : callback_(callback), user_(user) {}
  Result<std::size_t> read(std::span<std::uint8_t> into) override {
    const std::int64_t size = callback_(user_, into.data(), into.size());
    if (size < 0) return stopped("the read callback ended the import");
    if (static_cast<std::uint64_t>(size) > into.size()) {
      return refuse("the read callback gave more bytes than it was asked for");
    }
    return static_cast<std::size_t>(size);
  }

 private:
  flatkv_read_callback callback_;
  void* user_;
};

TransferOptions transfer_options(const Settings& settings) {
  return {.stop = settings.stop, .progress = settings.progress};
}

TrustedRoots trusted_roots(const flatkv_roots* given) {
  TrustedRoots trusted;
  if (given == nullptr) return trusted;
  Roots& roots = trusted.roots.emplace();
  std::ranges::copy(given->root, roots.root.begin());
  std::ranges::copy(given->account, roots.account.begin());
  std::ranges::copy(given->code, roots.code.begin());
  std::ranges::copy(given->storage, roots.storage.begin());
  std::ranges::copy(given->legacy, roots.legacy.begin());
  return trusted;
}

}  // namespace
}  // namespace flatkv::c_interface

using namespace flatkv;               // NOLINT(google-build-using-namespace)
using namespace flatkv::c_interface;  // NOLINT(google-build-using-namespace)

flatkv_error* flatkv_export(const flatkv_view* view, flatkv_write_callback write, void* user,
                            const flatkv_options* options) {
  return with<ViewHandle>(view, "view", [&](const ReadView& found) -> Status {
    if (write == nullptr) return refuse("write is null");
    FLATKV_ASSIGN(const Settings settings, settings_of(options));
    CallbackSink sink(write, user);
    return export_state(found, sink, transfer_options(settings));
  });
}

flatkv_error* flatkv_import(const char* path, flatkv_read_callback read, void* user,
                            const flatkv_roots* trusted, const flatkv_options* options,
                            int64_t* version) {
  return call([&]() -> Status {
    if (path == nullptr || read == nullptr) return refuse("path or read is null");
    FLATKV_ASSIGN(const Settings settings, settings_of(options));
    CallbackSource source(read, user);
    FLATKV_ASSIGN(const StreamSummary made,
                  import_stream(source, path, import_options(settings), trusted_roots(trusted),
                                transfer_options(settings)));
    if (version != nullptr) *version = made.version;
    return {};
  });
}

flatkv_error* flatkv_importer_new(const char* path, const flatkv_options* options,
                                  flatkv_importer** out) {
  return call([&]() -> Status {
    if (path == nullptr || out == nullptr) return refuse("path or out is null");
    FLATKV_ASSIGN(const Settings settings, settings_of(options));
    return hand_out<ImporterHandle>(Importer::begin(path, import_options(settings)), out);
  });
}

flatkv_error* flatkv_importer_add(flatkv_importer* importer, uint32_t database, const uint8_t* rows,
                                  size_t size) {
  return with<ImporterHandle>(importer, "importer", [&](Importer& found) -> Status {
    if (!good(rows, size)) return refuse("rows: no bytes");
    FLATKV_ASSIGN(const Database which, database_of(database));
    if (which == Database::metadata) return refuse("the metadata database is not imported");
    FLATKV_ASSIGN(const std::vector<ImportRow> read, read_rows(which, view_of(rows, size)));
    return found.add(read);
  });
}

flatkv_error* flatkv_importer_finish(flatkv_importer* importer, int64_t version,
                                     const flatkv_roots* trusted, flatkv_roots* out) {
  return with<ImporterHandle>(importer, "importer", [&](Importer& found) {
    return put_roots(found.finish(version, trusted_roots(trusted)), out);
  });
}

void flatkv_importer_abort(flatkv_importer* importer) {
  if (Importer* found = held<ImporterHandle>(importer)) found->abort();
}
