// SPDX-License-Identifier: Apache-2.0
#include "serve/methods.hpp"

#include <algorithm>
#include <array>

#include "base/bytes.hpp"
#include "base/error.hpp"
#include "flatkv/store.hpp"
#include "flatkv/version.hpp"

namespace flatkv::serve {
namespace {

RpcError rpc_error(const Error& error) {
  RpcCode code = RpcCode::internal_error;
  switch (error.code) {
    case ErrorCode::version_mismatch:
    case ErrorCode::stale:
      code = RpcCode::not_found;
      break;
    case ErrorCode::store_failed:
    case ErrorCode::no_space:  // the memory of views
      code = RpcCode::unavailable;
      break;
    case ErrorCode::unsupported:
      code = RpcCode::unsupported;
      break;
    default:
      break;
  }
  return {code, error.message, std::string(to_string(error.code))};
}

template <class T>
RpcResult<T> or_refuse(Result<T> result) {
  if (result) return *std::move(result);
  return std::unexpected(rpc_error(result.error()));
}

std::string hex(ByteView bytes) { return "0x" + to_hex(bytes); }

/// A number as Ethereum writes it: without leading zeros.
std::string quantity(ByteView big_endian) {
  std::string digits = to_hex(big_endian);
  digits.erase(0, std::min(digits.find_first_not_of('0'), digits.size() - 1));
  return "0x" + digits;
}
std::string quantity(std::uint64_t number) {
  std::array<std::uint8_t, 8> bytes{};
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    bytes[i] = static_cast<std::uint8_t>(number >> (56 - 8 * i));
  }
  return quantity(bytes);
}

std::unexpected<RpcError> bad(std::size_t place, const std::string& what) {
  return refuse(RpcCode::invalid_params, "parameter " + std::to_string(place + 1) + ": " + what);
}

RpcResult<std::string> string_at(const RpcParams& params, std::size_t place, const char* what) {
  if (params.size() <= place) return bad(place, std::string(what) + " is missing");
  if (!params[place]) return bad(place, std::string("want ") + what);
  return *params[place];
}

template <std::size_t N>
RpcResult<std::array<std::uint8_t, N>> bytes_at(const RpcParams& params, std::size_t place,
                                                const char* what) {
  FLATKV_ASSIGN(const std::string text, string_at(params, place, what));
  const auto bytes = text.starts_with("0x") ? from_hex(text) : std::nullopt;
  if (!bytes || bytes->size() != N) return bad(place, std::string("want ") + what);
  std::array<std::uint8_t, N> fixed{};
  std::ranges::copy(*bytes, fixed.begin());
  return fixed;
}

RpcResult<Address> address_at(const RpcParams& params) {
  return bytes_at<20>(params, 0, "an address, 0x and 40 digits");
}

/// A number of at most 32 bytes: 0x and 1 to 64 digits. Clients write slots with and without
/// leading zeros.
RpcResult<Word> word_at(const RpcParams& params, std::size_t place, const char* what) {
  FLATKV_ASSIGN(std::string text, string_at(params, place, what));
  if (!text.starts_with("0x") || text.size() < 3 || text.size() > 66) {
    return bad(place, std::string("want ") + what);
  }
  const auto bytes = from_hex(std::string(66 - text.size(), '0') + text.substr(2));
  Word word{};
  if (!bytes || bytes->size() != word.size()) return bad(place, std::string("want ") + what);
  std::ranges::copy(*bytes, word.begin());
  return word;
}

/// Of a semaphore, which it is given back to.
class Turn {
 public:
  explicit Turn(Turns& turns) : turns_(turns) { turns_.acquire(); }
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;
  ~Turn() { turns_.release(); }

 private:
  Turns& turns_;
};

}  // namespace

Shared::Shared(const ServeOptions& options)
    : budget(
          std::max(options.max_pending_bytes, 3 * options.max_response_bytes + 4 * Lease::kFree)) {}

RpcResult<RpcValue> Methods::call(const std::string& method, const RpcParams& params) {
  struct Entry {
    std::string_view name;
    std::size_t most;  ///< parameters
    RpcResult<RpcValue> (Methods::*run)(const RpcParams&);
  };
  static constexpr std::array kMethods = {
      Entry{"eth_blockNumber", 0, &Methods::block_number},
      Entry{"eth_getBalance", 2, &Methods::balance},
      Entry{"eth_getTransactionCount", 2, &Methods::transaction_count},
      Entry{"eth_getCode", 2, &Methods::code},
      Entry{"eth_getStorageAt", 3, &Methods::storage_at},
      Entry{"flatkv_roots", 1, &Methods::roots},
      Entry{"eth_chainId", 0, &Methods::chain_id},
      Entry{"net_version", 0, &Methods::net_version},
      Entry{"web3_clientVersion", 0, &Methods::client_version},
  };
  const auto* found = std::ranges::find(kMethods, method, &Entry::name);
  if (found == kMethods.end()) {
    return refuse(RpcCode::method_not_found, "a store does not answer this method");
  }
  if (params.size() > found->most) {
    return refuse(RpcCode::invalid_params, "too many parameters");
  }
  return (this->*found->run)(params);
}

RpcResult<ReadView> Methods::latest() {
  if (!latest_) {
    if (!store_) return refuse(RpcCode::unavailable, "there is no store to read yet");
    FLATKV_ASSIGN(latest_, or_refuse(store_->view()));
  }
  return *latest_;
}

/// The state of the block that a parameter names; without one, the latest.
RpcResult<ReadView> Methods::at(const RpcParams& params, std::size_t place) {
  FLATKV_ASSIGN(ReadView newest, latest());
  if (params.size() <= place) return newest;
  const char* what = "\"latest\", or a block's number in hex";
  FLATKV_ASSIGN(const std::string text, string_at(params, place, what));
  if (text == "latest") return newest;
  FLATKV_ASSIGN(const Word word, word_at(params, place, what));
  std::uint64_t number = 0;
  for (const std::uint8_t byte : std::span(word).last(8)) number = number << 8 | byte;
  if (!all_zero(std::span(word).first(24)) ||
      number > static_cast<std::uint64_t>(newest.version())) {
    return refuse(RpcCode::not_found, "block " + text + " is above the last one, " +
                                          quantity(static_cast<std::uint64_t>(newest.version())));
  }
  if (number == static_cast<std::uint64_t>(newest.version())) return newest;
  return or_refuse(store_->view(static_cast<std::int64_t>(number)));
}

RpcResult<RpcValue> Methods::block_number(const RpcParams&) {
  FLATKV_ASSIGN(const ReadView view, latest());
  return quantity(static_cast<std::uint64_t>(view.version()));
}

RpcResult<Account> Methods::account(const RpcParams& params) {
  FLATKV_ASSIGN(const Address address, address_at(params));
  FLATKV_ASSIGN(const ReadView view, at(params, 1));
  FLATKV_ASSIGN(const auto account, or_refuse(view.account(address)));
  return account.value_or(Account{});
}

RpcResult<RpcValue> Methods::balance(const RpcParams& params) {
  if (!options_.balances) {
    return refuse(RpcCode::unsupported, "this chain keeps its balances outside of the store");
  }
  FLATKV_ASSIGN(const Account found, account(params));
  return quantity(found.balance);
}

RpcResult<RpcValue> Methods::transaction_count(const RpcParams& params) {
  FLATKV_ASSIGN(const Account found, account(params));
  return quantity(found.nonce);
}

RpcResult<RpcValue> Methods::code(const RpcParams& params) {
  FLATKV_ASSIGN(const Address address, address_at(params));
  FLATKV_ASSIGN(const ReadView view, at(params, 1));
  std::size_t room = Lease::kFree;
  while (true) {
    FLATKV_ASSIGN(Code code, read_code(view, address, room));
    if (code.size > options_.max_response_bytes / 2) {
      return refuse(RpcCode::limit_exceeded, "the code has " + std::to_string(code.size) +
                                                 " bytes, and in hex more than the " +
                                                 std::to_string(options_.max_response_bytes) +
                                                 " that this server gives");
    }
    if (code.size <= room) return std::move(code.bytes);
    // In hex it has twice as many bytes, beside these.
    if (!lease_.make_room(3 * code.size + Lease::kFree) || !lease_.take(code.size))
      return too_busy();
    room = code.size;
  }
}

/// Code that is larger than `most` is not kept: it is read again when there is room.
RpcResult<Methods::Code> Methods::read_code(const ReadView& view, const Address& address,
                                            std::size_t most) {
  const Turn turn(shared_.code_reads);
  FLATKV_ASSIGN(auto found, or_refuse(view.code(address)));
  Code code{.bytes = std::move(found).value_or(Bytes{}), .size = 0};
  code.size = code.bytes.size();
  if (code.size > most) code.bytes = Bytes{};  // with its memory
  return code;
}

RpcResult<RpcValue> Methods::storage_at(const RpcParams& params) {
  FLATKV_ASSIGN(const Address address, address_at(params));
  FLATKV_ASSIGN(const Word slot, word_at(params, 1, "a slot, 0x and at most 64 digits"));
  FLATKV_ASSIGN(const ReadView view, at(params, 2));
  FLATKV_ASSIGN(const auto found, or_refuse(view.storage(address, slot)));
  Word word{};
  if (found) {
    if (found->size() > word.size()) {
      return refuse(RpcCode::internal_error,
                    "the slot holds " + std::to_string(found->size()) + " bytes, which is no word");
    }
    std::ranges::copy(*found, word.end() - static_cast<std::ptrdiff_t>(found->size()));
  }
  return hex(word);
}

RpcResult<RpcValue> Methods::roots(const RpcParams& params) {
  FLATKV_ASSIGN(const ReadView view, at(params, 0));
  const Roots& roots = view.roots();
  const auto root = [](std::string_view name, const Digest& digest) {
    return '"' + std::string(name) + "\":\"" + to_hex(digest) + '"';
  };
  return JsonText{"{" + root("account", roots.account) + "," + root("code", roots.code) + "," +
                  root("legacy", roots.legacy) + "," + root("root", roots.root) + "," +
                  root("storage", roots.storage) +
                  ",\"version\":" + std::to_string(view.version()) + "}"};
}

RpcResult<RpcValue> Methods::chain_id(const RpcParams&) {
  if (!options_.chain_id) {
    return refuse(RpcCode::unsupported, "this server was not told the chain's id");
  }
  return quantity(*options_.chain_id);
}

RpcResult<RpcValue> Methods::net_version(const RpcParams&) {
  if (!options_.chain_id) {
    return refuse(RpcCode::unsupported, "this server was not told the chain's id");
  }
  return std::to_string(*options_.chain_id);
}

RpcResult<RpcValue> Methods::client_version(const RpcParams&) {
  return "flatkv/" + std::string(library_version());
}

}  // namespace flatkv::serve
