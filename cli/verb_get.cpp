// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "base/bytes.hpp"
#include "base/error.hpp"
#include "clone.hpp"
#include "hex.hpp"
#include "info_json.hpp"
#include "verbs.hpp"

namespace flatkv::cli {
namespace {

struct GetOptions {
  ReadFrom from;
  std::string key;
  std::string account;
  std::vector<std::string> storage;
  std::string code;
};

using Json = nlohmann::ordered_json;

/// A 256-bit big-endian number in decimal, for people.
std::string decimal(Word word) {
  std::string digits;
  while (!all_zero(word)) {
    unsigned rest = 0;
    for (std::uint8_t& byte : word) {
      const unsigned value = rest * 256 + byte;
      byte = static_cast<std::uint8_t>(value / 10);
      rest = value % 10;
    }
    digits.insert(digits.begin(), static_cast<char>('0' + rest));
  }
  return digits.empty() ? "0" : digits;
}

/// The arguments, checked before the store is opened.
struct Question {
  enum class Kind : std::uint8_t { key, account, storage, code } kind = Kind::key;
  Bytes key;
  Address address{};
  Slot slot{};
};

Outcome<Question> question(const GetOptions& options) {
  Question asked;
  if (!options.account.empty()) {
    asked.kind = Question::Kind::account;
    FLATKV_ASSIGN(asked.address, fixed_hex_argument<20>("ADDR", options.account));
  } else if (!options.code.empty()) {
    asked.kind = Question::Kind::code;
    FLATKV_ASSIGN(asked.address, fixed_hex_argument<20>("ADDR", options.code));
  } else if (!options.storage.empty()) {
    asked.kind = Question::Kind::storage;
    FLATKV_ASSIGN(asked.address, fixed_hex_argument<20>("ADDR", options.storage[0]));
    FLATKV_ASSIGN(asked.slot, fixed_hex_argument<32>("SLOT", options.storage[1]));
  } else if (!options.key.empty()) {
    FLATKV_ASSIGN(asked.key, hex_argument("KEY", options.key));
    if (asked.key.empty()) return trouble(ExitCode::usage, "KEY is empty");
  } else {
    return trouble(ExitCode::usage, "nothing asked for: give KEY, --account, --storage or --code",
                   "flatkv get --help");
  }
  return asked;
}

Outcome<ExitCode> not_found(const ReadView& view, Context& context, Json answer) {
  if (context.json) {
    answer["found"] = false;
    FLATKV_TRY(context.out.write(to_text(answer) + "\n"));
  }
  context.console.note(fmt::format("not found at version {}", view.version()));
  return ExitCode::no;
}

Outcome<ExitCode> show_account(const ReadView& view, const Address& address, Context& context) {
  FLATKV_ASSIGN(const auto account, view.account(address));
  Json answer = {{"version", view.version()}, {"address", to_hex(address)}};
  if (!account) return not_found(view, context, std::move(answer));
  const bool has_code = !all_zero(account->code_hash);
  if (context.json) {
    answer["found"] = true;
    answer["balance"] = to_hex(account->balance);
    answer["nonce"] = account->nonce;
    answer["code_hash"] = has_code ? Json(to_hex(account->code_hash)) : Json(nullptr);
    FLATKV_TRY(context.out.write(to_text(answer) + "\n"));
    return ExitCode::done;
  }
  FLATKV_TRY(context.out.write(fmt::format(
      "address    {}\nbalance    {}\nnonce      {}\ncode hash  {}\n", to_hex(address),
      decimal(account->balance), account->nonce, has_code ? to_hex(account->code_hash) : "none")));
  context.console.note(fmt::format("version {}", view.version()));
  return ExitCode::done;
}

Outcome<ExitCode> show_value(const ReadView& view, const Question& asked, Context& context) {
  Json answer = {{"version", view.version()}};
  Result<std::optional<Bytes>> value;
  switch (asked.kind) {
    case Question::Kind::storage:
      answer["address"] = to_hex(asked.address);
      answer["slot"] = to_hex(asked.slot);
      value = view.storage(asked.address, asked.slot);
      break;
    case Question::Kind::code:
      answer["address"] = to_hex(asked.address);
      value = view.code(asked.address);
      break;
    case Question::Kind::key:
    case Question::Kind::account:
      answer["key"] = to_hex(asked.key);
      value = view.get(asked.key);
      break;
  }
  FLATKV_TRY(value);
  if (!*value) return not_found(view, context, std::move(answer));
  if (context.json) {
    answer["found"] = true;
    answer["value"] = to_hex(**value);
    FLATKV_TRY(context.out.write(to_text(answer) + "\n"));
    return ExitCode::done;
  }
  FLATKV_TRY(context.out.write(to_hex(**value) + "\n"));
  context.console.note(fmt::format("version {}", view.version()));
  return ExitCode::done;
}

Outcome<ExitCode> run(const GetOptions& options, Context& context) {
  FLATKV_ASSIGN(const Question asked, question(options));
  FLATKV_ASSIGN(const ReadOnlyStore store, open_clone(options.from, context));
  const ReadView view = store.view();
  if (asked.kind == Question::Kind::account) return show_account(view, asked.address, context);
  return show_value(view, asked, context);
}

}  // namespace

void add_get(Registry& verbs) {
  verbs.add<GetOptions>(
      "get", "Prints a value by external key, or a decoded account; exit 1 if there is none",
      "flatkv get ./state --account c02aaa39b223fe8d0a0e5c4f27ead9083c756cc2\n"
      "  flatkv get ./state 0ac02aaa39b223fe8d0a0e5c4f27ead9083c756cc2 --at 16",
      [](CLI::App& verb, GetOptions& options) {
        read_arguments(verb, options.from);
        auto* key = verb.add_option("KEY", options.key, "External key, hex");
        auto* account =
            verb.add_option("--account", options.account, "A decoded account")->type_name("ADDR");
        auto* storage = verb.add_option("--storage", options.storage, "A storage slot")
                            ->type_name("ADDR SLOT")
                            ->expected(2);
        auto* code =
            verb.add_option("--code", options.code, "The code of an account")->type_name("ADDR");
        key->excludes(account)->excludes(storage)->excludes(code);
        account->excludes(storage)->excludes(code);
        storage->excludes(code);
      },
      run);
}

}  // namespace flatkv::cli
