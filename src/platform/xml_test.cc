#include "platform/xml.h"

#include <gtest/gtest.h>

#include "base/testing.h"
#include "base/text.h"

namespace tenon::platform {
namespace {

TEST(Xml, ReadsElementsAttributesAndTexts) {
  ASSERT_OK_AND_ASSIGN(const Xml xml, Xml::Read("<?xml version=\"1.0\"?>\n<!-- c --><a:list n='2' x:k=\"&lt;&#233;\">one <i>1</i>\n<i v=\"\"/> two<![CDATA[<&]]></a:list>"));
  EXPECT_EQ(xml.root().name, "list");
  EXPECT_EQ(Xml::At(xml.root(), "n"), "2");
  EXPECT_EQ(Xml::At(xml.root(), "k"), "<\xC3\xA9");
  EXPECT_EQ(Xml::At(xml.root(), "none", "else"), "else");
  EXPECT_EQ(Xml::Find(xml.root(), "none"), nullptr);
  EXPECT_EQ(xml.root().text, "one \n two<&");
  const auto items = xml.Children(xml.root(), "i");
  ASSERT_EQ(items.size(), 2U);
  EXPECT_EQ(items[0]->text, "1");
  EXPECT_EQ(items[1]->line, 3U);
  EXPECT_EQ(xml.Child(xml.root(), "j"), nullptr);
  EXPECT_TRUE(xml.Children(*items[0]).empty());
}

TEST(Xml, RefusesWhatIsDamagedOrTooMuch) {
  for (const auto& [text, why] : std::vector<std::pair<std::string, std::string>>{
           {"", "no element found"},
           {"<a><b></a>", "mismatched tag"},
           {"<a>\n<b", "line 2"},
           {"<a/><b/>", "junk after document element"},
           {"<a b='1' b='2'/>", "duplicate attribute"},
           {"<!DOCTYPE a [<!ENTITY e \"x\">]><a>&e;</a>", "DOCTYPE"},
           {"<!DOCTYPE a SYSTEM \"file:///etc/passwd\"><a/>", "DOCTYPE"},
           {"<a>&nothing;</a>", "undefined entity"},
           {"<a>\x01</a>", "not well-formed"}}) {
    const auto read = Xml::Read(text);
    ASSERT_FALSE(read.ok()) << text;
    EXPECT_EQ(read.error().code(), Code::kInvalidArgument);
    EXPECT_NE(read.error().message().find(why), std::string::npos) << read.error().message();
  }
  std::string deep, many = "<a>";
  for (int i = 0; i < 11; ++i) deep += "<a>", many += "<b/>";
  for (int i = 0; i < 11; ++i) deep += "</a>";
  EXPECT_NE(Xml::Read(deep, {.depth = 10}).error().message().find("10 deep"), std::string::npos);
  EXPECT_TRUE(Xml::Read(deep, {.depth = 11}).ok());
  EXPECT_NE(Xml::Read(many + "</a>", {.elements = 11}).error().message().find("11 elements"), std::string::npos);
  EXPECT_NE(Xml::Read(deep, {.bytes = 10}).error().message().find("at most 10"), std::string::npos);
}

}  // namespace
}  // namespace tenon::platform
