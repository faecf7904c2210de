// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "base/error.hpp"

namespace flatkv::objects {

/// Reads an XML document of elements and text, as S3 services answer them: `leaf` is called at the
/// end of each element with the names of the elements it is in and its own, joined by '/', and the
/// text directly in it. Attributes are skipped. Refused as `corruption`, with the offset: a
/// document type, CDATA, processing instructions after the first, unknown entities, elements that
/// are not nested, and a depth above 8; so that nothing outside is read and nothing expands.
Status read_xml(
    std::string_view xml,
    const std::function<Status(const std::string& path, const std::string& text)>& leaf);

}  // namespace flatkv::objects
