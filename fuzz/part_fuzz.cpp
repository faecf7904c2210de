// SPDX-License-Identifier: Apache-2.0
// A part that was fetched. The first byte says how to use the rest: as an object of which the
// manifest has the right length and digest, as nobody else could make one; or as rows of a part
// that is then damaged in one byte, or described by a manifest that differs in one point.
#include "base/bytes.hpp"
#include "blake3/blake3.hpp"
#include "input.hpp"
#include "parts/part_codec.hpp"

namespace {

using namespace flatkv;
using fuzz::check;
using fuzz::Input;

Status checked(const parts::PartContext& context, const parts::Part& part, ByteView object) {
  return parts::check_part(context, part, object, {}, {});
}

void any_object(Input input) {
  parts::Part part;
  part.database = static_cast<Database>(input.byte() % 4);
  part.stats = {input.number(), input.number(), input.number()};
  part.first = {input.byte()};
  const ByteView object = input.rest();
  part.bytes = object.size();
  part.digest = blake3::hash(object);
  const Status done = checked({1, AccountRows::keep}, part, object);
  check(!done);  // nobody finds a hash that fits the rows
  check(done.error().code == ErrorCode::corruption ||
        done.error().code == ErrorCode::format_too_new);
}

void rows(Input input) {
  const parts::PartContext context{input.byte(), AccountRows::keep};
  scan::RowBuffer buffer;
  const std::size_t count = 1 + input.byte() % 30;
  for (std::size_t i = 0; i < count; ++i) {
    const Bytes key = {0x99, static_cast<std::uint8_t>(i), input.byte()};
    buffer.add(key, input.take(input.byte()));
  }
  auto encoded = parts::encode_part(context, Database::legacy, buffer);
  check(encoded.has_value());
  check(checked(context, encoded->part, encoded->object).has_value());
  const std::size_t at = input.number() % encoded->object.size();
  const std::uint8_t flip = static_cast<std::uint8_t>(1U << (input.byte() % 8));
  encoded->object[at] ^= flip;
  check(!checked(context, encoded->part, encoded->object));
  encoded->object[at] ^= flip;
  parts::Part other = encoded->part;
  switch (input.byte() % 6) {
    case 0:
      other.first.back() ^= 1;
      break;
    case 1:
      other.last.front() ^= 1;
      break;
    case 2:
      ++other.stats.rows;
      break;
    case 3:
      ++other.stats.value_bytes;
      break;
    case 4:
      other.database = Database::code;
      break;
    default:
      other.hash.limbs()[input.byte()] ^= 1;
  }
  check(!checked(context, other, encoded->object));
  check(!checked({context.version + 1, context.account_rows}, encoded->part, encoded->object));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Input input(ByteView(data, size));
  if (input.byte() % 2 == 0) {
    any_object(input);
  } else {
    rows(input);
  }
  return 0;
}
