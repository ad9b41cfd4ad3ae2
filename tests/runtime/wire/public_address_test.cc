#include "runtime/wire/public_address.h"

#include <gtest/gtest.h>

namespace muster::wire {
namespace {

TEST(PublicAddress, OnesOfTheInternet_ArePublic) {
  for (const char* address :
       {"8.8.8.8", "1.1.1.1", "172.15.255.255", "172.32.0.0", "100.63.255.255", "198.17.255.255",
        "223.255.255.255", "2001:4860:4860::8888", "2606:4700::1111", "::ffff:8.8.8.8",
        "64:ff9b::808:808", "2002:808:808::1"}) {
    EXPECT_TRUE(IsPublicAddress(address)) << address;
  }
}

TEST(PublicAddress, OnesOfANetworkInside_AreNot) {
  for (const char* address : {"127.0.0.1",
                              "127.255.0.1",
                              "10.1.2.3",
                              "172.16.0.1",
                              "172.31.255.255",
                              "192.168.0.1",
                              "169.254.169.254",
                              "100.64.0.1",
                              "100.127.0.1",
                              "0.0.0.0",
                              "192.0.0.1",
                              "192.0.2.1",
                              "198.18.0.1",
                              "198.19.255.255",
                              "203.0.113.7",
                              "240.0.0.1",
                              "255.255.255.255",
                              "::",
                              "::1",
                              "fe80::1",
                              "febf::1",
                              "fc00::1",
                              "fdff::1",
                              "2001:db8::1",
                              "2001::1",
                              "100::1",
                              "64:ff9b:1::1"}) {
    EXPECT_FALSE(IsPublicAddress(address)) << address;
  }
}

TEST(PublicAddress, AnInsideAddressInsideAnIPv6One_IsNot) {
  for (const char* address : {"::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1",
                              "64:ff9b::a9fe:a9fe", "2002:7f00:1::", "2002:a00:1::1"}) {
    EXPECT_FALSE(IsPublicAddress(address)) << address;
  }
}

TEST(PublicAddress, WhatIsNoAddress_IsNot) {
  for (const char* text : {"", "example.com", "8.8.8", "8.8.8.8 ", "127.1", "[::1]", "8.8.8.8/8"}) {
    EXPECT_FALSE(IsPublicAddress(text)) << text;
  }
}

}  // namespace
}  // namespace muster::wire
