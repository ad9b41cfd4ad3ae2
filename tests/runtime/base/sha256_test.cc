#include "runtime/base/sha256.h"

#include <gtest/gtest.h>

namespace muster {
namespace {

// FIPS 180-4's own examples (NIST, "Cryptographic Standards and Guidelines", SHA-256).
TEST(Sha256, PublishedVectors_Match) {
  EXPECT_EQ(Sha256Hex(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(Sha256Hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(Sha256Hex("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
}

TEST(Sha256, Pieces_AreTheirWhole) {
  Sha256 hash;
  for (const char* piece : {"a", "", "bc"}) hash.Update(piece);
  EXPECT_EQ(hash.Hex(), Sha256Hex("abc"));
}

// RFC 4231, 4.3 and 4.7: a short key, and one longer than a block.
TEST(HmacSha256, PublishedVectors_Match) {
  EXPECT_EQ(Hex(HmacSha256("Jefe", "what do ya want for nothing?")),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  EXPECT_EQ(Hex(HmacSha256(std::string(131, '\xaa'),
                           "Test Using Larger Than Block-Size Key - Hash Key First")),
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

TEST(Hex, AllBytes) { EXPECT_EQ(Hex(std::string_view("\x00\x7f\x80\xff", 4)), "007f80ff"); }

}  // namespace
}  // namespace muster
