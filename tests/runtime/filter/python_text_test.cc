#include "runtime/filter/python_text.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

/// The wanted texts were printed by Python 3.11.

namespace muster::filter {
namespace {

TEST(PythonText, Json_IsAsciiWithEscapes) {
  EXPECT_EQ(PythonJson("x y"), R"("x y")");
  EXPECT_EQ(PythonJson("a\"\\\n\t\x01\x7F"), "\"a\\\"\\\\\\n\\t\\u0001\x7F\"");
  EXPECT_EQ(PythonJson("Größe"), R"("Gr\u00f6\u00dfe")");
  EXPECT_EQ(PythonJson("😀"), R"("\ud83d\ude00")");
  EXPECT_EQ(PythonJson("\xFFz"), "\"\xFFz\"") << "no UTF-8";
}

TEST(PythonText, Repr_ChoosesTheQuoteThatIsNotInside) {
  EXPECT_EQ(PythonRepr("x"), "'x'");
  EXPECT_EQ(PythonRepr("it's"), "\"it's\"");
  EXPECT_EQ(PythonRepr("it's \"x\""), "'it\\'s \"x\"'");
  EXPECT_EQ(PythonRepr("a\\\n\x02ü"), "'a\\\\\\n\\x02ü'");
  const std::vector<std::string> items = {"a", "it's"};
  EXPECT_EQ(PythonList(items), "['a', \"it's\"]");
  EXPECT_EQ(PythonList({}), "[]");
}

TEST(PythonText, Repr_OfFloats) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  for (const auto& [value, wanted] :
       std::vector<std::pair<double, std::string>>{{1, "1.0"},
                                                   {0, "0.0"},
                                                   {-0.0, "-0.0"},
                                                   {0.1, "0.1"},
                                                   {1e15, "1000000000000000.0"},
                                                   {1e16, "1e+16"},
                                                   {1.5e300, "1.5e+300"},
                                                   {0.0001, "0.0001"},
                                                   {0.00001, "1e-05"},
                                                   {-2.25, "-2.25"},
                                                   {kInfinity, "inf"},
                                                   {-kInfinity, "-inf"},
                                                   {std::nan(""), "nan"}}) {
    EXPECT_EQ(PythonRepr(value), wanted);
  }
}

TEST(PythonText, Words_AreLettersAndDigitsOfEveryScript) {
  for (const char* words : {"", "aZ_9", "Größe", "Ж", "日本", "²", "x y", "٣"}) {
    EXPECT_TRUE(HasOnlyWords(words, " ")) << words;
  }
  for (const char* others : {"a,b", "😀", "–", "a\n", "\xFF", "é\xCC", "e\xCC\x81"}) {
    EXPECT_FALSE(HasOnlyWords(others, " ")) << others;
  }
}

}  // namespace
}  // namespace muster::filter
