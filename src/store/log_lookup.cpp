// SPDX-License-Identifier: Apache-2.0
#include "store/log_lookup.hpp"

#include "base/version_arithmetic.hpp"
#include "changes/log_block.hpp"

namespace flatkv::store {

Result<std::optional<LogRecord>> LogLookup::find(std::int64_t version) {
  if (version < 1) return std::nullopt;
  // Pruning, on the flusher's thread, may remove a segment after the log was listed.
  constexpr int kTries = 3;
  for (int attempt = 1;; ++attempt) {
    auto found = look(version);
    if (found || found.error().code != ErrorCode::not_found || attempt == kTries) return found;
    survey_.reset();
    reader_.reset();
  }
}

Result<std::optional<LogRecord>> LogLookup::look(std::int64_t version) {
  if (!survey_ || version > survey_->tip.version || version <= survey_->base.version) {
    changelog::SurveyOptions options;
    options.store = store_;
    options.from_version = version - 1;
    options.check_last_payloads = false;  // this process wrote them
    FLATKV_ASSIGN(survey_, changelog::walk_segments(files_, directory_, options));
    reader_.reset();
  }
  if (!survey_ || version <= survey_->base.version || version > survey_->tip.version) {
    return std::nullopt;
  }
  if (!reader_ || next_ != version) {
    FLATKV_ASSIGN(reader_,
                  changelog::Reader::open(files_, directory_, *survey_, store_, version, false));
    next_ = version;
  }
  FLATKV_ASSIGN(const auto record, reader_->next());
  next_ = version_after(version).value_or(0);
  if (!record) return std::nullopt;
  return changes::to_log_record(record->header);
}

}  // namespace flatkv::store
