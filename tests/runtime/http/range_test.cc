#include "runtime/http/range.h"

#include <gtest/gtest.h>

#include <tuple>

namespace muster::http::internal {
namespace {

constexpr std::string_view kTag = "\"abc\"";

std::tuple<int, std::uint64_t, std::uint64_t> Select(const Conditions& asked, std::uint64_t size) {
  const Part part = SelectPart(asked, kTag, size);
  return {part.status, part.offset, part.length};
}
std::tuple<int, std::uint64_t, std::uint64_t> Of(int status, std::uint64_t offset,
                                                 std::uint64_t length) {
  return {status, offset, length};
}

TEST(Range, OfTheFile) {
  const auto range = [](std::string text) { return Select({.range = std::move(text)}, 100); };
  EXPECT_EQ(range("bytes=0-9"), Of(206, 0, 10));
  EXPECT_EQ(range("bytes=90-"), Of(206, 90, 10));
  EXPECT_EQ(range("bytes=-1"), Of(206, 99, 1));
  EXPECT_EQ(range("bytes=-1000"), Of(206, 0, 100));
  EXPECT_EQ(range("bytes=99-1000"), Of(206, 99, 1));
  EXPECT_EQ(range(" Bytes = 5-5 "), Of(206, 5, 1));
}

TEST(Range, BeyondTheFile_416) {
  EXPECT_EQ(Select({.range = "bytes=100-"}, 100), Of(416, 0, 0));
  EXPECT_EQ(Select({.range = "bytes=18446744073709551615-"}, 100), Of(416, 0, 0));
  EXPECT_EQ(Select({.range = "bytes=-0"}, 100), Of(416, 0, 0));
  EXPECT_EQ(Select({.range = "bytes=0-"}, 0), Of(416, 0, 0));
  EXPECT_EQ(Select({.range = "bytes=-5"}, 0), Of(416, 0, 0));
}

TEST(Range, MalformedOrSeveral_TheWholeFile) {
  for (const char* range :
       {"", "bytes", "bytes=", "bytes=-", "bytes=a-b", "bytes=9-5", "bytes=1-2,4-5", "bytes=+1-2",
        "bytes=1--2", "lines=1-2", "bytes=99999999999999999999-", "bytes=1-99999999999999999999"}) {
    EXPECT_EQ(Select({.range = range}, 100), Of(200, 0, 100)) << range;
  }
}

TEST(Range, IfRange_OnlyOfTheSameContent) {
  EXPECT_EQ(Select({.range = "bytes=0-0", .if_range = "\"abc\""}, 9), Of(206, 0, 1));
  for (const char* other : {"\"abd\"", "W/\"abc\"", "Tue, 24 Nov 2026 02:07:16 GMT"}) {
    EXPECT_EQ(Select({.range = "bytes=0-0", .if_range = other}, 9), Of(200, 0, 9)) << other;
  }
}

TEST(Range, IfNoneMatch_304WhenTheClientHasIt) {
  for (const char* list : {"\"abc\"", "W/\"abc\"", "\"x\" , \"abc\"", "*"}) {
    EXPECT_EQ(Select({.range = "bytes=0-0", .if_none_match = list}, 9), Of(304, 0, 0)) << list;
  }
  EXPECT_EQ(Select({.if_none_match = "\"x\", abc"}, 9), Of(200, 0, 9));
  EXPECT_EQ(SelectPart({.if_none_match = "*"}, "", 9).status, 200);
}

TEST(Range, ContentRange) {
  EXPECT_EQ(ContentRange({206, 5, 10}, 100), "bytes 5-14/100");
  EXPECT_EQ(ContentRange({.status = 416}, 100), "bytes */100");
}

}  // namespace
}  // namespace muster::http::internal
