// SPDX-License-Identifier: Apache-2.0
#include "arguments.hpp"

#include <nanobind/stl/string.h>

#include <algorithm>
#include <string_view>

namespace flatkv::python {
namespace {

int digit_of(char character) {
  if (character >= '0' && character <= '9') return character - '0';
  if (character >= 'a' && character <= 'f') return character - 'a' + 10;
  if (character >= 'A' && character <= 'F') return character - 'A' + 10;
  return -1;
}

Bytes from_hex(std::string_view text, const char* name) {
  if (text.starts_with("0x") || text.starts_with("0X")) text.remove_prefix(2);
  Bytes bytes;
  bytes.reserve(text.size() / 2);
  for (std::size_t i = 0; i + 1 < text.size(); i += 2) {
    const int high = digit_of(text[i]);
    const int low = digit_of(text[i + 1]);
    if (high < 0 || low < 0) refuse(std::string(name) + ": not hex digits");
    bytes.push_back(static_cast<std::uint8_t>(16 * high + low));
  }
  if (text.size() % 2 != 0) refuse(std::string(name) + ": an odd number of hex digits");
  return bytes;
}

std::string_view characters_of(nb::handle text) {
  Py_ssize_t size = 0;
  const char* const data = PyUnicode_AsUTF8AndSize(text.ptr(), &size);
  if (data == nullptr) throw nb::python_error();
  return {data, static_cast<std::size_t>(size)};
}

/// Gives the buffer back at the end.
class Buffer {
 public:
  Buffer(nb::handle object, const char* name) {
    if (PyObject_CheckBuffer(object.ptr()) == 0) {
      refuse_type(std::string(name) + ": bytes or a str of hex digits");
    }
    if (PyObject_GetBuffer(object.ptr(), &view_, PyBUF_SIMPLE) != 0) throw nb::python_error();
  }
  ~Buffer() { PyBuffer_Release(&view_); }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  ByteView bytes() const noexcept {
    return {static_cast<const std::uint8_t*>(view_.buf), static_cast<std::size_t>(view_.len)};
  }

 private:
  Py_buffer view_{};
};

Digest digest_of(nb::handle value, const char* name) {
  Digest digest;
  fill_from(value, name, digest);
  return digest;
}

}  // namespace

Bytes bytes_of(nb::handle value, const char* name) {
  if (PyUnicode_Check(value.ptr())) return from_hex(characters_of(value), name);
  const Buffer buffer(value, name);
  return Bytes(buffer.bytes().begin(), buffer.bytes().end());
}

void fill_from(nb::handle value, const char* name, std::span<std::uint8_t> into) {
  const Bytes bytes = bytes_of(value, name);
  if (bytes.size() != into.size()) {
    refuse(std::string(name) + ": " + std::to_string(into.size()) + " bytes, not " +
           std::to_string(bytes.size()));
  }
  std::ranges::copy(bytes, into.begin());
}

Word word_of(nb::handle value, const char* name) {
  Word word;
  if (!PyLong_Check(value.ptr())) {
    fill_from(value, name, word);
    return word;
  }
  nb::object bytes;
  try {
    bytes = value.attr("to_bytes")(word.size(), "big");
  } catch (nb::python_error& error) {
    if (!error.matches(PyExc_OverflowError)) throw;
    refuse(std::string(name) + ": an int from 0 to 2**256 - 1");
  }
  fill_from(bytes, name, word);
  return word;
}

Database database_of(const std::string& name) {
  for (const Database database : kAllDatabases) {
    if (name == to_string(database)) return database;
  }
  refuse("database: 'account', 'code', 'storage' or 'legacy', not '" + name + "'");
}

Database data_database_of(const std::string& name) {
  const Database database = database_of(name);
  if (database == Database::metadata) refuse("database: metadata has no rows");
  return database;
}

std::optional<Database> database_of(const std::optional<std::string>& name) {
  if (!name) return std::nullopt;
  return database_of(*name);
}

AccountRows account_rows_of(const std::string& name) {
  if (name == "keep") return AccountRows::keep;
  if (name == "prune_empty") return AccountRows::prune_empty;
  refuse("account_rows: 'keep' or 'prune_empty', not '" + name + "'");
}

std::string path_of(nb::handle path) {
  PyObject* encoded = nullptr;
  if (PyUnicode_FSConverter(path.ptr(), &encoded) == 0) throw nb::python_error();
  const nb::bytes bytes = nb::steal<nb::bytes>(encoded);
  return {bytes.c_str(), bytes.size()};
}

TrustedRoots trusted_of(nb::handle expected) {
  TrustedRoots trusted;
  if (expected.is_none()) return trusted;
  if (nb::isinstance<Roots>(expected)) {
    trusted.roots = nb::cast<Roots>(expected);
  } else {
    trusted.root = digest_of(expected, "expect");
  }
  return trusted;
}

Changes::Changes(nb::handle change_sets) {
  for (const nb::handle set : nb::iter(change_sets)) {
    if (nb::len(set) != 2) refuse("a change set is a name and pairs");
    const nb::object name = set[0];
    const nb::object pairs = set[1];
    add(name, pairs);
  }
  for (std::size_t i = 0; i < names_.size(); ++i) sets_.push_back({names_[i], pairs_[i]});
}

void Changes::add(nb::handle name, nb::handle pairs) {
  if (!PyUnicode_Check(name.ptr())) refuse_type("the name of a change set is a str");
  std::vector<Bytes>& bytes = bytes_.emplace_back();
  std::vector<bool> removes;
  for (const nb::handle pair : nb::iter(pairs)) {
    if (nb::len(pair) != 2) refuse("a pair is a key and a value");
    const nb::object key = pair[0];
    const nb::object value = pair[1];
    bytes.push_back(bytes_of(key, "key"));
    bytes.push_back(value.is_none() ? Bytes{} : bytes_of(value, "value"));
    removes.push_back(value.is_none());
  }
  names_.emplace_back(characters_of(name));
  std::vector<KVPair>& borrowed = pairs_.emplace_back();
  for (std::size_t i = 0; i < removes.size(); ++i) {
    borrowed.push_back({.key = bytes[2 * i], .value = bytes[2 * i + 1], .remove = removes[i]});
  }
}

}  // namespace flatkv::python
