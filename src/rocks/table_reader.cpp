// SPDX-License-Identifier: Apache-2.0
#include "rocks/table_reader.hpp"

#include <rocksdb/sst_file_reader.h>

#include <memory>

#include "rocks/rocks.hpp"

namespace flatkv::rocks {

Status read_table(const DbOptions& options, const std::string& path,
                  const std::function<Status(ByteView key, ByteView value)>& use) {
  const auto check = [&](const rocksdb::Status& status) -> Status {
    if (status.ok()) return {};
    return std::unexpected(rocks_error(status, "cannot read the table", path, options.which));
  };
  rocksdb::SstFileReader reader(rocks_options(options));
  FLATKV_TRY(check(reader.Open(path)));
  rocksdb::ReadOptions how;
  how.fill_cache = false;
  const std::unique_ptr<rocksdb::Iterator> rows(reader.NewIterator(how));
  for (rows->SeekToFirst(); rows->Valid(); rows->Next()) {
    const ByteView key = view(rows->key());
    if (key.empty() || key.front() != static_cast<std::uint8_t>(kRowTag)) {
      return fail(ErrorCode::corruption, "the table holds something else than rows")
          .path(path)
          .database(options.which);
    }
    FLATKV_TRY(use(key.subspan(1), view(rows->value())));
  }
  return check(rows->status());
}

}  // namespace flatkv::rocks
