// SPDX-License-Identifier: Apache-2.0
#include "values.hpp"

#include <nanobind/operators.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/string_view.h>

#include <array>
#include <string>
#include <string_view>

#include "arguments.hpp"
#include "flatkv/log_block.hpp"
#include "flatkv/verify.hpp"

namespace flatkv::python {
namespace {

using namespace nb::literals;

constexpr auto kEveryChecksum = std::to_array<std::pair<const char*, Digest Roots::*>>({
    {"root", &Roots::root},
    {"account", &Roots::account},
    {"code", &Roots::code},
    {"storage", &Roots::storage},
    {"legacy", &Roots::legacy},
});

std::string_view word_for(AccountRows rows) {
  return rows == AccountRows::keep ? "keep" : "prune_empty";
}

Roots make_roots(nb::handle root, nb::handle account, nb::handle code, nb::handle storage,
                 nb::handle legacy) {
  Roots roots;
  fill_from(root, "root", roots.root);
  fill_from(account, "account", roots.account);
  fill_from(code, "code", roots.code);
  fill_from(storage, "storage", roots.storage);
  fill_from(legacy, "legacy", roots.legacy);
  return roots;
}

nb::dict hex_of(const Roots& roots) {
  nb::dict dict;
  for (const auto& [name, member] : kEveryChecksum) dict[name] = to_hex(roots.*member);
  return dict;
}

void bind_roots(nb::module_& module) {
  nb::class_<Roots> roots(module, "Roots", R"(The roots line of a version: five checksums.

Compare all five to prove a state: `root` alone does not say in which database a row lies.)");
  roots.def(
      "__init__",
      [](Roots* self, nb::handle root, nb::handle account, nb::handle code, nb::handle storage,
         nb::handle legacy) { new (self) Roots(make_roots(root, account, code, storage, legacy)); },
      "root"_a, "account"_a, "code"_a, "storage"_a, "legacy"_a,
      nb::sig("def __init__(self, root: bytes | str, account: bytes | str, code: bytes | str, "
              "storage: bytes | str, legacy: bytes | str) -> None"));
  for (const auto& [name, member] : kEveryChecksum) {
    roots.def_prop_ro(name, [member](const Roots& self) { return to_bytes(self.*member); });
  }
  roots.def("hex", &hex_of, nb::sig("def hex(self) -> dict[str, str]"),
            "The checksums in hex, as in a roots line.");
  roots.def(nb::self == nb::self, nb::sig("def __eq__(self, other: object, /) -> bool"));
  roots.def("__hash__", [](const Roots& self) { return nb::hash(to_bytes(self.root)); });
  roots.def("__repr__", [](const Roots& self) { return "<Roots " + to_hex(self.root) + ">"; });
}

void bind_account(nb::module_& module) {
  nb::class_<Account> account(module, "Account", "An account, decoded.");
  account.def_prop_ro(
      "balance", [](const Account& self) { return to_int(self.balance); },
      nb::sig("def balance(self) -> int"));
  account.def_ro("nonce", &Account::nonce);
  account.def_prop_ro(
      "code_hash",
      [](const Account& self) {
        return self.code_hash == Word{} ? nb::object(nb::none())
                                        : nb::object(to_bytes(self.code_hash));
      },
      nb::sig("def code_hash(self) -> bytes | None"), "None for an account without code.");
  account.def(nb::self == nb::self, nb::sig("def __eq__(self, other: object, /) -> bool"));
  account.def("__repr__", [](const Account& self) {
    return "<Account balance=" + nb::cast<std::string>(nb::str(to_int(self.balance))) +
           " nonce=" + std::to_string(self.nonce) + ">";
  });
}

void bind_log(nb::module_& module) {
  nb::class_<LogBlock> block(module, "LogBlock", "A committed block, from the log.");
  block.def_prop_ro("version", [](const LogBlock& self) { return self.record.version; });
  block.def_prop_ro("roots", [](const LogBlock& self) { return self.record.roots; });
  block.def_prop_ro(
      "payload_bytes", [](const LogBlock& self) { return self.record.payload_bytes; },
      "Size of the change sets in the log.");
  block.def_prop_ro("payload_digest",
                    [](const LogBlock& self) { return to_bytes(self.record.payload_digest); });
  block.def_prop_ro(
      "chain", [](const LogBlock& self) { return to_bytes(self.record.chain); },
      "A digest over this block and all before it.");
  block.def_prop_ro(
      "change_sets", [](const LogBlock& self) { return to_list(self.change_sets()); },
      nb::sig("def change_sets(self) -> list[tuple[str, list[tuple[bytes, bytes | None]]]]"),
      "What the block wrote, as Store.apply takes it. Empty unless the log was read with changes.");
}

void bind_proof(nb::module_& module) {
  nb::class_<DatabaseStats> stats(module, "Stats", "Rows and bytes of a database.");
  stats.def_ro("rows", &DatabaseStats::rows);
  stats.def_ro("key_bytes", &DatabaseStats::key_bytes);
  stats.def_ro("value_bytes", &DatabaseStats::value_bytes);
  stats.def(nb::self == nb::self, nb::sig("def __eq__(self, other: object, /) -> bool"));

  nb::class_<DatabaseVerdict> verdict(module, "DatabaseVerdict",
                                      "What a full scan of a database found.");
  verdict.def_prop_ro("database",
                      [](const DatabaseVerdict& self) { return to_string(self.database); });
  verdict.def_prop_ro("good", &DatabaseVerdict::good);
  verdict.def_prop_ro("expected",
                      [](const DatabaseVerdict& self) { return to_bytes(self.expected); });
  verdict.def_prop_ro("found", [](const DatabaseVerdict& self) { return to_bytes(self.found); });
  verdict.def_ro("expected_stats", &DatabaseVerdict::expected_stats);
  verdict.def_ro("found_stats", &DatabaseVerdict::found_stats);
  verdict.def_prop_ro(
      "error",
      [](const DatabaseVerdict& self) {
        return self.error ? exception_of(*self.error) : nb::object(nb::none());
      },
      nb::sig("def error(self) -> Exception | None"),
      "Why the scan did not finish: a flatkv.Error. Then `found` and `found_stats` mean nothing.");

  nb::class_<VerifyReport> report(module, "VerifyReport", "What a full scan of a state found.");
  report.def_ro("version", &VerifyReport::version);
  report.def_ro("roots", &VerifyReport::roots);
  report.def_prop_ro("good", &VerifyReport::good);
  report.def_ro("sum_good", &VerifyReport::sum_good, "The four hashes add up to the global one.");
  report.def_prop_ro(
      "databases",
      [](const VerifyReport& self) {
        nb::list databases;
        for (const DatabaseVerdict& verdict : self.databases) databases.append(verdict);
        return databases;
      },
      nb::sig("def databases(self) -> list[DatabaseVerdict]"));
}

void bind_summary(nb::module_& module) {
  nb::class_<StreamSummary> summary(module, "StreamSummary",
                                    "What the header of an exported state says.");
  summary.def_ro("version", &StreamSummary::version);
  summary.def_prop_ro("account_rows",
                      [](const StreamSummary& self) { return word_for(self.account_rows); });
  summary.def_ro("roots", &StreamSummary::roots);
  summary.def_prop_ro("rows", &StreamSummary::rows);
  summary.def_prop_ro(
      "stats",
      [](const StreamSummary& self) {
        nb::dict stats;
        for (const Database database : kDataDatabases) {
          const std::string_view name = to_string(database);
          stats[nb::str(name.data(), name.size())] = self.stats[database];
        }
        return stats;
      },
      nb::sig("def stats(self) -> dict[str, Stats]"));
}

}  // namespace

nb::object to_int(ByteView big_endian) {
  return nb::borrow(reinterpret_cast<PyObject*>(&PyLong_Type))
      .attr("from_bytes")(to_bytes(big_endian), "big");
}

nb::list to_list(std::span<const NamedChangeSet> change_sets) {
  nb::list sets;
  for (const NamedChangeSet& set : change_sets) {
    nb::list pairs;
    for (const KVPair& pair : set.pairs) {
      const nb::object value =
          pair.remove ? nb::object(nb::none()) : nb::object(to_bytes(pair.value));
      pairs.append(nb::make_tuple(to_bytes(pair.key), value));
    }
    sets.append(nb::make_tuple(nb::str(set.name.data(), set.name.size()), pairs));
  }
  return sets;
}

void bind_values(nb::module_& module) {
  bind_roots(module);
  bind_account(module);
  bind_log(module);
  bind_proof(module);
  bind_summary(module);
}

}  // namespace flatkv::python
