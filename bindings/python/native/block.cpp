// SPDX-License-Identifier: Apache-2.0
#include "block.hpp"

#include <cstdint>

#include "arguments.hpp"
#include "flatkv/keys.hpp"
#include "values.hpp"
#include "view.hpp"

namespace flatkv::python {
namespace {

using namespace nb::literals;

void bind_keys(nb::module_& module) {
  const auto key = [&](const char* name, AccountKey (*make)(const Address&) noexcept) {
    module.def(
        name, [make](nb::handle address) { return to_bytes(make(address_of(address))); },
        "address"_a);
  };
  key("nonce_key", &nonce_key);
  key("code_hash_key", &code_hash_key);
  key("balance_key", &balance_key);
  key("code_key", &code_key);
  module.def(
      "storage_key",
      [](nb::handle address, nb::handle slot) {
        return to_bytes(storage_key(address_of(address), word_of(slot, "slot")));
      },
      "address"_a, "slot"_a);
  module.def(
      "keccak256", [](nb::handle data) { return to_bytes(keccak256(bytes_of(data, "data"))); },
      "data"_a, "The hash that Ethereum uses for code and for the slots of mappings.");
}

}  // namespace

void bind_block(nb::module_& module) {
  bind_keys(module);
  nb::class_<Block> type(module, "Block", R"(The writes of one block, by account and slot.

Later writes win. A value of zero is a removal, as in the EVM.)");
  type.def(nb::init<>());
  type.def(
      "set_nonce",
      [](Block& self, nb::handle address, std::uint64_t nonce) -> Block& {
        const Address key = address_of(address);
        self.builder().with([&](BlockBuilder& builder) { builder.set_nonce(key, nonce); });
        return self;
      },
      "address"_a, "nonce"_a, nb::rv_policy::reference,
      nb::sig("def set_nonce(self, address: bytes | str, nonce: int) -> Block"));
  type.def(
      "set_balance",
      [](Block& self, nb::handle address, nb::handle balance) -> Block& {
        const Address key = address_of(address);
        const Word word = word_of(balance, "balance");
        self.builder().with([&](BlockBuilder& builder) { builder.set_balance(key, word); });
        return self;
      },
      "address"_a, "balance"_a, nb::rv_policy::reference,
      nb::sig("def set_balance(self, address: bytes | str, balance: int | bytes | str) -> Block"));
  type.def(
      "set_storage",
      [](Block& self, nb::handle address, nb::handle slot, nb::handle value) -> Block& {
        const Address key = address_of(address);
        const Slot place = word_of(slot, "slot");
        const Word word = word_of(value, "value");
        self.builder().with([&](BlockBuilder& builder) { builder.set_storage(key, place, word); });
        return self;
      },
      "address"_a, "slot"_a, "value"_a, nb::rv_policy::reference,
      nb::sig("def set_storage(self, address: bytes | str, slot: int | bytes | str, "
              "value: int | bytes | str) -> Block"));
  type.def(
      "set_code",
      [](Block& self, nb::handle address, nb::handle code) -> Block& {
        const Address key = address_of(address);
        const Bytes bytes = bytes_of(code, "code");
        self.builder().with([&](BlockBuilder& builder) { builder.set_code(key, bytes); });
        return self;
      },
      "address"_a, "code"_a, nb::rv_policy::reference,
      nb::sig("def set_code(self, address: bytes | str, code: bytes | str) -> Block"),
      "Sets code and code hash; empty code removes both.");
  type.def(
      "remove_account",
      [](Block& self, nb::handle address) -> Block& {
        const Address key = address_of(address);
        self.builder().with([&](BlockBuilder& builder) { builder.remove_account(key); });
        return self;
      },
      "address"_a, nb::rv_policy::reference,
      nb::sig("def remove_account(self, address: bytes | str) -> Block"),
      "Removes nonce, balance and code. Storage slots stay.");
  type.def(
      "remove_account_and_storage",
      [](Block& self, nb::handle address, const View& state) -> Block& {
        const Address key = address_of(address);
        const ReadView view = state.committed();
        unwrap(self.builder().with(
            [&](BlockBuilder& builder) { return builder.remove_account_and_storage(key, view); }));
        return self;
      },
      "address"_a, "state"_a, nb::rv_policy::reference,
      nb::sig("def remove_account_and_storage(self, address: bytes | str, state: View) -> Block"),
      "Removes the slots, too: those that `state` shows and those that this block has set.");
  type.def(
      "change_sets",
      [](Block& self) {
        // Bytes of Python need the lock that the builder's guard lets go of.
        const BlockBuilder copy = self.builder().with([](BlockBuilder& builder) {
          return BlockBuilder::from_changes(builder.change_sets());
        });
        return to_list(copy.change_sets());
      },
      nb::sig("def change_sets(self) -> list[tuple[str, list[tuple[bytes, bytes | None]]]]"));
  type.def("__bool__", [](Block& self) {
    return !self.builder().with([](BlockBuilder& builder) { return builder.empty(); });
  });
  type.def("clear", [](Block& self) {
    self.builder().with([](BlockBuilder& builder) { builder.clear(); });
  });
}

}  // namespace flatkv::python
