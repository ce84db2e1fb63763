#include "base/utf8.h"

#include <gtest/gtest.h>

namespace tidegate {
namespace {

TEST(Utf8Test, takes_what_a_database_can_store) {
  for (const std::string text :
       {"", "abc", "ü", "日本", "😀", "\x7f", "\xc2\x80", "\xdf\xbf", "\xe0\xa0\x80", "\xed\x9f\xbf",
        "\xee\x80\x80", "\xef\xbf\xbf", "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf"}) {
    EXPECT_TRUE(storable_text(text)) << text;
  }
}

TEST(Utf8Test, refuses_the_rest) {
  for (const std::string& text :
       {std::string("a\0", 2), std::string("\x80"), std::string("\xc0\x80"), std::string("\xc1\xbf"),
        std::string("\xc3"), std::string("\xc3x"), std::string("\xe0\x9f\xbf"), std::string("\xed\xa0\x80"),
        std::string("\xe2\x82"), std::string("\xf0\x8f\xbf\xbf"), std::string("\xf4\x90\x80\x80"),
        std::string("\xf5\x80\x80\x80"), std::string("\xf0\x9f\x98"), std::string("\xff")}) {
    EXPECT_FALSE(storable_text(text));
  }
}

TEST(Utf8Test, quotes_are_short_and_well_formed) {
  EXPECT_EQ(in_quotes("a"), "\"a\"");
  EXPECT_EQ(in_quotes("a\xff\xc3"), "\"a??\"");
  const std::string cut = in_quotes(std::string(63, 'x') + "ü" + "y");
  EXPECT_EQ(cut, "\"" + std::string(63, 'x') + "ü…\"");
  EXPECT_TRUE(storable_text(cut));
}

}  // namespace
}  // namespace tidegate
