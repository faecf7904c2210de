// SPDX-License-Identifier: Apache-2.0
#include "objects/s3_answers.hpp"

#include <gtest/gtest.h>

namespace flatkv::objects {
namespace {

std::string list_of(std::string_view inside) {
  return "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ListBucketResult "
         "xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Name>b</Name>" +
         std::string(inside) + "</ListBucketResult>";
}

TEST(S3Answers, AList) {
  const auto page = parse_list_page(list_of(
      "<IsTruncated>true</IsTruncated><NextContinuationToken>a+b=</NextContinuationToken>"
      "<Contents><Key>p/x&amp;y</Key><Size>18446744073709551615</Size><ETag>&quot;e&quot;</ETag>"
      "<Owner><ID>1</ID></Owner></Contents><Contents><Size>0</Size><Key>p/z</Key></Contents>"));
  ASSERT_TRUE(page) << page.error().to_string();
  EXPECT_EQ(page->next, "a+b=");
  EXPECT_EQ(page->objects, (std::vector<ObjectInfo>{{"p/x&y", 18446744073709551615U}, {"p/z", 0}}));
  const auto last = parse_list_page(list_of("<IsTruncated>false</IsTruncated>"));
  ASSERT_TRUE(last);
  EXPECT_TRUE(last->objects.empty() && last->next.empty());
}

TEST(S3Answers, WhatIsNoList) {
  for (const std::string& xml :
       {std::string("<Error><Code>x</Code></Error>"), std::string("<html><body/></html>"),
        list_of("<Contents><Key>a</Key></Contents>"),
        list_of("<Contents><Size>1</Size></Contents>"),
        list_of("<Contents><Key>a</Key><Size>-1</Size></Contents>"),
        list_of("<Contents><Key>a</Key><Size>18446744073709551616</Size></Contents>"),
        list_of("<IsTruncated>maybe</IsTruncated>"), list_of("<IsTruncated>true</IsTruncated>"),
        list_of("").substr(0, 60)}) {
    const auto page = parse_list_page(xml);
    ASSERT_FALSE(page) << xml;
    EXPECT_EQ(page.error().code, ErrorCode::corruption);
  }
}

TEST(S3Answers, AnError) {
  const S3Error error =
      parse_s3_error("<Error><Code>NoSuchKey</Code><Message>not\x1b[2J there</Message></Error>");
  EXPECT_EQ(error.code, "NoSuchKey");
  EXPECT_EQ(error.message, "not [2J there");
  EXPECT_EQ(parse_s3_error("<html>").code, "");
}

TEST(S3Answers, WhatToDoAboutARefusal) {
  EXPECT_TRUE(remedy_of_refusal("ExpiredToken").contains("AWS_SESSION_TOKEN"));
  EXPECT_TRUE(remedy_of_refusal("RequestTimeTooSkewed").contains("clock"));
  for (const char* code : {"InvalidAccessKeyId", "SignatureDoesNotMatch", "AccessDenied"}) {
    EXPECT_FALSE(remedy_of_refusal(code).empty()) << code;
  }
  for (const char* code : {"", "NoSuchKey", "SlowDown", "InternalError", "RequestTimeout"}) {
    EXPECT_TRUE(remedy_of_refusal(code).empty()) << code;
  }
}

}  // namespace
}  // namespace flatkv::objects
