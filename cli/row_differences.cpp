// SPDX-License-Identifier: Apache-2.0
#include "row_differences.hpp"

#include <fmt/format.h>

#include "base/error.hpp"
#include "hex.hpp"
#include "info_json.hpp"

namespace flatkv::cli {
namespace {

constexpr std::size_t kBytesForPeople = 72;

void append_value(std::string& to, const std::optional<ByteView>& value) {
  if (!value) {
    to += "null";
    return;
  }
  to += '"';
  append_hex(to, *value);
  to += '"';
}

std::string shown(const std::optional<ByteView>& value) {
  if (!value) return "no row";
  if (value->empty()) return "empty";
  std::string text;
  append_hex(text, value->first(std::min(value->size(), kBytesForPeople)));
  if (value->size() > kBytesForPeople) text += fmt::format("… ({} bytes)", value->size());
  return text;
}

std::string range_json(const RangeDifference& range) {
  return fmt::format(R"({{"db":"{}","start":"{}","end":{},"rows_a":{},"rows_b":{}}})",
                     to_string(range.database), to_hex(range.start),
                     range.end.empty() ? "null" : "\"" + to_hex(range.end) + "\"", range.rows_a,
                     range.rows_b);
}

std::string range_text(const RangeDifference& range) {
  if (range.is_key) {
    return fmt::format("  {:<8} key {}: {}\n", to_string(range.database), to_hex(range.start),
                       range.rows_b == 0   ? "only in A"
                       : range.rows_a == 0 ? "only in B"
                                           : "another value");
  }
  return fmt::format("  {:<8} from {} to {}: {} rows in A, {} in B\n", to_string(range.database),
                     range.start.empty() ? "the first" : to_hex(range.start),
                     range.end.empty() ? "the last" : to_hex(range.end), range.rows_a,
                     range.rows_b);
}

}  // namespace

Outcome<void> DifferencesOut::begin(const nlohmann::ordered_json& members) {
  std::string text = to_text(members);
  text.pop_back();
  return context_.out.write(text);
}

Outcome<void> DifferencesOut::ranges(std::span<const RangeDifference> ranges) {
  std::string text;
  if (context_.json) {
    text += fmt::format(R"(,"differing_ranges":{},"ranges":[)", ranges.size());
  } else if (!ranges.empty()) {
    text += fmt::format("{} range{} differ{}\n", ranges.size(), ranges.size() == 1 ? "" : "s",
                        ranges.size() == 1 ? "s" : "");
  }
  for (std::size_t i = 0; i < std::min<std::size_t>(ranges.size(), limit_); ++i) {
    if (context_.json && i != 0) text += ',';
    text += context_.json ? range_json(ranges[i]) : range_text(ranges[i]);
  }
  if (context_.json) text += ']';
  if (!context_.json && ranges.size() > limit_) text += "  … and more (--limit)\n";
  return context_.out.write(text);
}

Outcome<void> DifferencesOut::begin_keys() {
  with_keys_ = true;
  if (context_.json) return context_.out.write(R"(,"keys":[)");
  return {};
}

Outcome<void> DifferencesOut::key(const RowDifference& row) {
  if (keys_++ >= limit_) return {};
  if (!context_.json) return context_.out.write(for_people(row));
  std::string text = keys_ == 1 ? "" : ",";
  text += fmt::format(R"({{"db":"{}","key":")", to_string(row.database));
  append_hex(text, row.key);
  text += R"(","a":)";
  append_value(text, row.a);
  text += R"(,"b":)";
  append_value(text, row.b);
  text += '}';
  return context_.out.write(text);
}

std::string DifferencesOut::for_people(const RowDifference& row) const {
  return fmt::format("{} {}\n  A  {}\n  B  {}\n", to_string(row.database), to_hex(row.key),
                     shown(row.a), shown(row.b));
}

Outcome<void> DifferencesOut::show(const std::function<Status(const Visit&)>& search) {
  std::optional<Trouble> unwritten;
  const Status done = search([&](const RowDifference& row) -> Status {
    auto written = key(row);
    if (written) return {};
    unwritten = std::move(written).error();
    return fail(ErrorCode::io, unwritten->message);
  });
  if (unwritten) return std::unexpected(*std::move(unwritten));
  if (!done) return std::unexpected(Trouble(done.error()));
  return {};
}

Outcome<void> DifferencesOut::end_keys() {
  if (context_.json) {
    return context_.out.write(fmt::format(R"(],"differing_keys":{})", keys_));
  }
  if (keys_ > limit_) {
    FLATKV_TRY(context_.out.write(fmt::format("… and {} more (--limit)\n", keys_ - limit_)));
  }
  return {};
}

Trouble DifferencesOut::end(Trouble trouble) {
  if (!context_.json) return trouble;
  auto written = with_keys_ ? end_keys() : Outcome<void>{};
  if (written) {
    written = context_.out.write(",\"error\":" + to_text(to_json(trouble)) + "}\n");
  }
  if (!written) return std::move(written).error();
  trouble.answered = true;
  return trouble;
}

Outcome<void> DifferencesOut::end(bool equal) {
  if (context_.json) {
    return context_.out.write(fmt::format(",\"equal\":{}}}\n", equal));
  }
  if (equal) return context_.out.write("equal\n");
  if (!with_keys_) return {};
  return context_.out.write(fmt::format("{} key{}\n", keys_, keys_ == 1 ? " differs" : "s differ"));
}

}  // namespace flatkv::cli
