// SPDX-License-Identifier: Apache-2.0
// What an S3 server answers: the XML of lists and errors, and the headers of a range.
#include "input.hpp"
#include "objects/http_range.hpp"
#include "objects/s3_answers.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace flatkv;
  const std::string_view text = as_chars(ByteView{data, size});
  const auto page = objects::parse_list_page(text);
  if (!page) fuzz::check(page.error().code == ErrorCode::corruption);
  const objects::S3Error error = objects::parse_s3_error(text);
  fuzz::check(error.code.size() <= 300 && error.message.size() <= 300);
  fuzz::check(!error.message.contains('\n') && !error.message.contains('\x1b'));
  if (const auto range = objects::parse_content_range(text)) {
    fuzz::check(range->first <= range->last);
    fuzz::check(!range->total || range->last < *range->total);
  }
  return 0;
}
