#include "runtime/base/base64.h"

#include <gtest/gtest.h>

#include "runtime/base/random.h"

namespace muster {
namespace {

// RFC 4648, 10.
TEST(Base64, TestVectors) {
  const std::pair<const char*, const char*> vectors[] = {{"", ""},
                                                         {"f", "Zg=="},
                                                         {"fo", "Zm8="},
                                                         {"foo", "Zm9v"},
                                                         {"foob", "Zm9vYg=="},
                                                         {"fooba", "Zm9vYmE="},
                                                         {"foobar", "Zm9vYmFy"}};
  for (const auto& [bytes, text] : vectors) {
    EXPECT_EQ(EncodeBase64(bytes), text);
    EXPECT_EQ(*DecodeBase64(text), bytes);
  }
}

TEST(Base64, AnyBytes_RoundTrip) {
  Random random(1);
  for (std::size_t size = 0; size < 200; ++size) {
    std::string bytes(size, '\0');
    for (char& byte : bytes) byte = static_cast<char>(random.Below(256));
    EXPECT_EQ(*DecodeBase64(EncodeBase64(bytes)), bytes);
  }
}

TEST(Base64, WhatIsNoBase64_IsRefused) {
  for (const char* text : {"Zg", "Zg=a", "Z===", "Zm9\n", "====", "Zg==Zg=="}) {
    EXPECT_FALSE(DecodeBase64(text).ok()) << text;
  }
}

}  // namespace
}  // namespace muster
