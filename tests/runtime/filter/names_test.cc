#include "runtime/filter/names.h"

#include <gtest/gtest.h>

namespace muster::filter {
namespace {

std::string Why(const Status& status) { return status.ok() ? "" : status.error().message; }

TEST(Names, LettersOfEveryScriptAndNormalPaths_AreFine) {
  for (const char* name : {"a", "x y", "a/b.c-d:e_f", "Größe", "Ж", "..."}) {
    // "..." starts with "..", which MLflow refuses, too.
    EXPECT_EQ(CheckName(name, "key").ok(), std::string_view(name) != "...") << name;
  }
}

TEST(Names, OthersAreRefusedInMlflowsWords) {
  EXPECT_EQ(Why(CheckName("bad,nämé", "metrics[3].name")),
            "Invalid value \"bad,n\\u00e4m\\u00e9\" for parameter 'metrics[3].name' supplied: "
            "Names may only contain alphanumerics, underscores (_), dashes (-), periods (.), "
            "spaces ( ), colon(:) and slashes (/).");
  EXPECT_EQ(Why(CheckName("a/../b", "key")),
            "Invalid value \"a/../b\" for parameter 'key' supplied: Names may be treated as files "
            "in certain cases, and must not resolve to other names when treated as such. This "
            "name would resolve to 'b'");
  for (const char* name : {"", ".", "..", "/a", "//a", "a//b", "a/", "../a", "😀", "a\n"}) {
    EXPECT_FALSE(CheckName(name, "key").ok()) << name;
  }
}

TEST(Names, LengthsAreInCharacters) {
  EXPECT_TRUE(CheckLength("key", "üüü", 3).ok());
  EXPECT_EQ(Why(CheckLength("Param key", "üüüü", 3)),
            "'Param key' exceeds the maximum length of 3 characters");
  std::string text = "aüüb";
  CutTo(text, 3);
  EXPECT_EQ(text, "aüü");
  CutTo(text, 3);
  EXPECT_EQ(text, "aüü");
}

}  // namespace
}  // namespace muster::filter
