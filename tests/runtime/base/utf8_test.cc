#include "runtime/base/utf8.h"

#include <gtest/gtest.h>

namespace muster {
namespace {

constexpr const char* kReplaced = "\xEF\xBF\xBD";

TEST(Utf8, CharactersByTheirSize) {
  EXPECT_EQ(CharacterSize("a"), 1u);
  EXPECT_EQ(CharacterSize("ä!"), 2u);
  EXPECT_EQ(CharacterSize("€"), 3u);
  EXPECT_EQ(CharacterSize("😀"), 4u);
}

TEST(Utf8, WhatIsNoCharacter) {
  for (const std::string_view text :
       {"\x80", "\xC3", "\xC3(", "\xC0\x80", "\xE0\x80\x80", "\xED\xA0\x80", "\xF0\x80\x80\x80",
        "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xFF"}) {
    EXPECT_EQ(CharacterSize(text), 0u) << testing::PrintToString(text);
  }
}

TEST(Utf8, ToUtf8_KeepsWhatIsRightAndReplacesTheRest) {
  EXPECT_EQ(ToUtf8(""), "");
  EXPECT_EQ(ToUtf8("a ä € 😀"), "a ä € 😀");
  EXPECT_EQ(ToUtf8("\xFF"), kReplaced);
  EXPECT_EQ(ToUtf8("a\x90z\xC3"), std::string("a") + kReplaced + "z" + kReplaced);
  EXPECT_EQ(ToUtf8("ä\xE2\x82"), std::string("ä") + kReplaced + kReplaced);
}

}  // namespace
}  // namespace muster
