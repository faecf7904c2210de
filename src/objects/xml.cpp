// SPDX-License-Identifier: Apache-2.0
#include "objects/xml.hpp"

#include <algorithm>
#include <charconv>
#include <vector>

namespace flatkv::objects {
namespace {

constexpr std::size_t kMaxDepth = 8;
constexpr std::string_view kBlank = " \t\r\n";

class Reader {
 public:
  using Leaf = std::function<Status(const std::string&, const std::string&)>;
  Reader(std::string_view xml, const Leaf& leaf) : xml_(xml), leaf_(leaf) {}

  Status run() {
    if (rest().starts_with("\xef\xbb\xbf")) at_ += 3;
    if (rest().starts_with("<?xml")) FLATKV_TRY(skip_past("?>"));
    while (true) {
      FLATKV_TRY(read_text());
      if (at_ == xml_.size()) break;
      if (rest().starts_with("<!--")) {
        FLATKV_TRY(skip_past("-->"));
      } else if (rest().starts_with("</")) {
        FLATKV_TRY(close());
      } else {
        FLATKV_TRY(open());
      }
    }
    if (!open_.empty()) return bad("the document ends inside <" + open_.back().name + ">");
    if (!any_) return bad("there is no element");
    return {};
  }

 private:
  struct Element {
    std::string name;
    std::string text;
  };

  std::string_view rest() const { return xml_.substr(at_); }
  Failure bad(std::string why) const {
    return fail(ErrorCode::corruption, "XML: " + std::move(why)).offset(at_);
  }

  Status skip_past(std::string_view end) {
    const std::size_t found = xml_.find(end, at_);
    if (found == std::string_view::npos) return bad("the document is cut short");
    at_ = found + end.size();
    return {};
  }

  void skip_blank() { at_ = std::min(xml_.find_first_not_of(kBlank, at_), xml_.size()); }

  Result<std::string> name() {
    const std::size_t begin = at_;
    const auto fits = [](char c) {
      return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
             c == '_' || c == '-' || c == ':' || c == '.';
    };
    while (at_ < xml_.size() && fits(xml_[at_])) ++at_;
    if (at_ == begin) return bad("a name is expected");
    return std::string(xml_.substr(begin, at_ - begin));
  }

  Status open() {
    ++at_;  // '<'
    FLATKV_ASSIGN(std::string own, name());
    if (open_.empty() && any_) return bad("a second document follows");
    if (open_.size() == kMaxDepth) return bad("elements are nested too deep");
    any_ = true;
    open_.push_back({std::move(own), {}});
    while (true) {
      skip_blank();
      if (rest().starts_with("/>")) {
        at_ += 2;
        return end();
      }
      if (rest().starts_with('>')) {
        ++at_;
        return {};
      }
      FLATKV_TRY(attribute());
    }
  }

  Status attribute() {
    FLATKV_TRY(name());
    skip_blank();
    if (!rest().starts_with('=')) return bad("an attribute has no value");
    ++at_;
    skip_blank();
    if (!rest().starts_with('"') && !rest().starts_with('\'')) {
      return bad("an attribute's value is not quoted");
    }
    const std::string quote(1, xml_[at_++]);
    return skip_past(quote);
  }

  Status close() {
    at_ += 2;  // "</"
    FLATKV_ASSIGN(const std::string own, name());
    skip_blank();
    if (!rest().starts_with('>')) return bad("an end tag is not closed");
    ++at_;
    if (open_.empty() || open_.back().name != own) return bad("</" + own + "> closes nothing");
    return end();
  }

  Status end() {
    std::string path;
    for (const Element& element : open_) {
      if (!path.empty()) path += '/';
      path += element.name;
    }
    const std::string text = std::move(open_.back().text);
    open_.pop_back();
    return leaf_(path, text);
  }

  /// Up to the next '<', or the end.
  Status read_text() {
    while (at_ < xml_.size() && xml_[at_] != '<') {
      const char c = xml_[at_];
      if (open_.empty()) {
        if (!kBlank.contains(c)) return bad("there is text outside of the document");
        ++at_;
      } else if (c == '&') {
        FLATKV_TRY(entity());
      } else {
        open_.back().text += c;
        ++at_;
      }
    }
    return {};
  }

  Status entity() {
    constexpr std::size_t kLongest = 10;
    const std::size_t end = rest().substr(0, kLongest + 1).find(';');
    if (end == std::string_view::npos) return bad("'&' begins nothing");
    std::string_view name = rest().substr(1, end - 1);
    std::string& text = open_.back().text;
    if (name == "amp") {
      text += '&';
    } else if (name == "lt") {
      text += '<';
    } else if (name == "gt") {
      text += '>';
    } else if (name == "quot") {
      text += '"';
    } else if (name == "apos") {
      text += '\'';
    } else {
      FLATKV_TRY(character(name, text));
    }
    at_ += end + 1;
    return {};
  }

  /// "#13" or "#xd", as UTF-8.
  Status character(std::string_view name, std::string& text) const {
    if (!name.starts_with('#')) return bad("an unknown entity");
    name.remove_prefix(1);
    const int base = name.starts_with('x') ? 16 : 10;
    if (base == 16) name.remove_prefix(1);
    std::uint32_t code = 0;
    const char* const last = name.data() + name.size();
    const auto [stopped, error] = std::from_chars(name.data(), last, code, base);
    const bool surrogate = code >= 0xd800 && code <= 0xdfff;
    if (name.empty() || error != std::errc{} || stopped != last || code == 0 || code > 0x10ffff ||
        surrogate) {
      return bad("no such character");
    }
    const auto put = [&](std::uint32_t byte) { text += static_cast<char>(byte); };
    if (code < 0x80) {
      put(code);
    } else if (code < 0x800) {
      put(0xc0 | code >> 6);
      put(0x80 | (code & 0x3f));
    } else if (code < 0x10000) {
      put(0xe0 | code >> 12);
      put(0x80 | (code >> 6 & 0x3f));
      put(0x80 | (code & 0x3f));
    } else {
      put(0xf0 | code >> 18);
      put(0x80 | (code >> 12 & 0x3f));
      put(0x80 | (code >> 6 & 0x3f));
      put(0x80 | (code & 0x3f));
    }
    return {};
  }

  std::string_view xml_;
  const Leaf& leaf_;
  std::size_t at_ = 0;
  std::vector<Element> open_;
  bool any_ = false;
};

}  // namespace

Status read_xml(std::string_view xml,
                const std::function<Status(const std::string&, const std::string&)>& leaf) {
  return Reader(xml, leaf).run();
}

}  // namespace flatkv::objects
