#include "registry/serve/content_coding.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace muster::registry::serve {
namespace {

using ::testing::HasSubstr;

TEST(CodingFor, AcceptEncoding) {
  const std::pair<std::string_view, Coding> cases[] = {
      {"", Coding::kNone},         {"identity", Coding::kNone},
      {"gzip", Coding::kGzip},     {"deflate", Coding::kDeflate},
      {"br, GZIP", Coding::kGzip}, {"deflate;q=0.5", Coding::kDeflate},
      {"gzip;q=0", Coding::kNone}, {"gzip;q=0.000, deflate", Coding::kDeflate}};
  for (const auto& [header, wanted] : cases) EXPECT_EQ(CodingFor(header), wanted) << header;
}

TEST(Pack, UnpackGivesItBack) {
  const std::string text = std::string(100'000, 'a') + std::string("\0b", 2);
  for (const Coding coding : {Coding::kGzip, Coding::kDeflate}) {
    const auto packed = Pack(text, coding);
    ASSERT_TRUE(packed.ok());
    EXPECT_LT(packed->size(), 1000U);
    EXPECT_EQ(Unpack(*packed, CodingName(coding), text.size()).value(), text);
    EXPECT_THAT(Unpack(*packed, CodingName(coding), text.size() - 1).error().message,
                HasSubstr("more than 100001 bytes unpacked"));
    EXPECT_THAT(Unpack(*packed + "x", CodingName(coding), text.size()).error().message,
                HasSubstr("not in the coding"));
    EXPECT_EQ(
        Unpack(packed->substr(0, packed->size() / 2), CodingName(coding), text.size()).error().kind,
        ErrorKind::kInvalid);
  }
  EXPECT_EQ(Unpack("", "gzip", 10).error().kind, ErrorKind::kInvalid);
  EXPECT_EQ(Unpack("abc", "br", 10).error().kind, ErrorKind::kUnsupported);
}

/// From Python: zlib.compress(b"muster").
TEST(Unpack, OfPythons) {
  constexpr unsigned char kZlib[] = {0x78, 0x9c, 0xcb, 0x2d, 0x2d, 0x2e, 0x49,
                                     0x2d, 0x02, 0x00, 0x09, 0x41, 0x02, 0xa1};
  EXPECT_EQ(Unpack({reinterpret_cast<const char*>(kZlib), sizeof kZlib}, "deflate", 6).value(),
            "muster");
}

}  // namespace
}  // namespace muster::registry::serve
