#include "runtime/agent/beat.h"

#include <gtest/gtest.h>

namespace muster::agent {
namespace {

TEST(Beat, Lines_AreReadToTheFirstNewline) {
  const struct {
    const char* line;
    Beat beat;
    const char* text;
  } cases[] = {
      {"341 85 400 forward\n", {341, 85, 400, "forward"}, "step 85 of 400 (forward)"},
      {"341 85 400 load\nackward\n", {341, 85, 400, "load"}, "step 85 of 400 (load)"},
      {"17\n", {17, 17, 0, ""}, "step 17"},
      {"17 3\n", {17, 3, 0, ""}, "step 3"},
      {"  17   3 9\n", {17, 3, 9, ""}, "step 3 of 9"},
      {"1 2 3 a\tb\x1b[2J\n", {1, 2, 3, "a?b?[2J"}, "step 2 of 3 (a?b?[2J)"},
      {"1 2 3 a-word-that-is-longer-than-any-phase-has-to-be\n",
       {1, 2, 3, "a-word-that-is-longer-than-any-p"},
       "step 2 of 3 (a-word-that-is-longer-than-any-p)"},
  };
  for (const auto& one : cases) {
    const auto beat = ParseBeat(one.line);
    ASSERT_TRUE(beat) << one.line;
    EXPECT_EQ(*beat, one.beat) << one.line;
    EXPECT_EQ(TextOf(*beat), one.text);
  }
}

TEST(Beat, WhatIsNoWholeLineWithANumber_IsNone) {
  for (const char* line : {"", "17", "\n", "step 17\n", "17x\n", "99999999999999999999\n"})
    EXPECT_FALSE(ParseBeat(line)) << line;
}

}  // namespace
}  // namespace muster::agent
