// SPDX-License-Identifier: Apache-2.0
#include "objects/xml.hpp"

#include <gtest/gtest.h>

namespace flatkv::objects {
namespace {

/// "path=text;" for each element, or the error.
std::string leaves(std::string_view xml) {
  std::string seen;
  const Status read =
      read_xml(xml, [&](const std::string& path, const std::string& text) -> Status {
        seen += path + "=" + text + ";";
        return {};
      });
  return read ? seen : read.error().to_string();
}

TEST(Xml, ElementsAndText) {
  EXPECT_EQ(leaves("<a/>"), "a=;");
  EXPECT_EQ(leaves("<?xml version=\"1.0\"?>\n<a x=\"1>\" y='2'><b>t</b><!-- - --><b> u </b></a>\n"),
            "a/b=t;a/b= u ;a=;");
  EXPECT_EQ(leaves("<a>&amp;&lt;&gt;&quot;&apos;&#65;&#xe9;&#x20ac;&#x1F600;</a>"),
            "a=&<>\"'A\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80;");
}

TEST(Xml, WhatIsRefused) {
  for (const char* const xml : {"",
                                "text",
                                "<a>",
                                "<a></b>",
                                "</a>",
                                "<a/><b/>",
                                "<a/>text",
                                "<a",
                                "<a x>",
                                "<a x=1/>",
                                "<a x=\"1/>",
                                "<!DOCTYPE a><a/>",
                                "<a><![CDATA[x]]></a>",
                                "<a><?p?></a>",
                                "<a>&nbsp;</a>",
                                "<a>&</a>",
                                "<a>&#0;</a>",
                                "<a>&#xd800;</a>",
                                "<a>&#x110000;</a>",
                                "<a>&#;</a>",
                                "<a>&#1x;</a>",
                                "<a><!-- </a>",
                                "<1><2><3><4><5><6><7><8><9/></8></7></6></5></4></3></2></1>"}) {
    const std::string said = leaves(xml);
    EXPECT_TRUE(said.contains("corruption")) << xml << ": " << said;
  }
}

}  // namespace
}  // namespace flatkv::objects
