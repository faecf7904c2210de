// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "objects/objects.hpp"

// The XML that an S3 service answers. Pure functions over bytes that nobody vouches for.
namespace flatkv::objects {

/// A page of a listing.
struct ListPage {
  std::vector<ObjectInfo> objects;  ///< by whole key, in the order of the answer
  std::string next;                 ///< where the next page begins; empty: this is the last
};
/// `corruption`, with the offset, for anything that is not a ListBucketResult.
Result<ListPage> parse_list_page(std::string_view xml);

/// What an S3 service says of a failure; empty where the answer says nothing of the kind.
struct S3Error {
  std::string code;
  std::string message;
};
S3Error parse_s3_error(std::string_view xml);

/// What to do about a refusal of who asks, whatever the status that comes with it: services answer
/// 400 to a token that has expired. Empty for a code that is none.
std::string_view remedy_of_refusal(std::string_view code);

}  // namespace flatkv::objects
