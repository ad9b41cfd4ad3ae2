#include "registry/fleet/manifest.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace muster::registry {
namespace {

using testing::HasSubstr;

FleetVersion Version(std::int64_t number) {
  return {number, 0, {{"model.onnx", 3, "ab", "/files/" + std::to_string(number) + "/model.onnx"}}};
}

/// "3:5 2:100" after these steps of (version, percent).
std::string After(const std::vector<std::pair<std::int64_t, double>>& steps) {
  FleetManifest manifest;
  manifest.model = "digits";
  for (const auto& [version, percent] : steps) {
    const auto next = NextFleetManifest(manifest, Version(version), percent);
    if (!next.ok()) return "error: " + next.error().message;
    EXPECT_EQ(next->sequence, manifest.sequence + 1);
    EXPECT_EQ(next->salt, "digits/" + std::to_string(version));
    EXPECT_TRUE(FleetManifestFromJson(ToJson(*next)).ok());
    manifest = *next;
  }
  std::string text;
  for (const auto& version : manifest.versions) {
    text += (text.empty() ? "" : " ") + std::to_string(version.version) + ":" +
            std::to_string(static_cast<int>(version.percent));
  }
  return text;
}

TEST(NextFleetManifest, Steps_KeepTheBaseUntilAll) {
  EXPECT_EQ(After({{2, 100}}), "2:100");
  EXPECT_EQ(After({{2, 100}, {3, 5}}), "3:5 2:100");
  EXPECT_EQ(After({{2, 100}, {3, 5}, {3, 25}}), "3:25 2:100");
  EXPECT_EQ(After({{2, 100}, {3, 5}, {3, 100}}), "3:100");
  EXPECT_EQ(After({{2, 100}, {3, 25}, {3, 0}}), "2:100");
  EXPECT_EQ(After({{2, 100}, {3, 25}, {4, 5}}), "4:5 2:100");
  EXPECT_EQ(After({{2, 100}, {3, 100}, {2, 10}}), "2:10 3:100");
  EXPECT_EQ(After({{2, 5}}), "2:5");
  EXPECT_THAT(After({{2, 5}, {2, 0}}), HasSubstr("nothing would be left"));
  EXPECT_THAT(After({{2, 101}}), HasSubstr("wanted 0 to 100"));
}

TEST(VersionForDevice, IsStickyAndGrows) {
  FleetManifest manifest;
  manifest.model = "digits";
  manifest = *NextFleetManifest(manifest, Version(2), 100);
  const auto five = *NextFleetManifest(manifest, Version(3), 5);
  const auto quarter = *NextFleetManifest(five, Version(3), 25);
  int at_five = 0, at_quarter = 0;
  for (int i = 0; i < 4'000; ++i) {
    const std::string device = "device-" + std::to_string(i);
    const bool early = VersionForDevice(five, device)->version == 3;
    const bool late = VersionForDevice(quarter, device)->version == 3;
    EXPECT_TRUE(late || !early) << device;
    at_five += early ? 1 : 0;
    at_quarter += late ? 1 : 0;
  }
  // Four standard deviations of the binomial: 13.8 and 27.4 devices.
  EXPECT_NEAR(at_five, 200, 55);
  EXPECT_NEAR(at_quarter, 1000, 110);
  // Python's int(hashlib.sha256(b"digits/3\ndevice-0").hexdigest()[:13], 16) / 2**52 is 0.997917.
  manifest.versions = {Version(3)};
  manifest.salt = "digits/3";
  manifest.versions[0].percent = 99.79;
  EXPECT_EQ(VersionForDevice(manifest, "device-0"), nullptr);
  manifest.versions[0].percent = 99.80;
  EXPECT_NE(VersionForDevice(manifest, "device-0"), nullptr);
}

TEST(FleetManifest, Wrong_IsCorrupt) {
  const FleetManifest good = *NextFleetManifest({.model = "digits"}, Version(2), 100);
  std::vector<FleetManifest> wrong(7, good);
  wrong[0].versions[0].files[0].path = "../model.onnx";
  wrong[1].versions[0].files[0].path = "/etc/passwd";
  wrong[2].versions[0].files[0].path = "a/../b";
  wrong[3].versions[0].files[0].url = "http://elsewhere/model.onnx";
  wrong[4].versions[0].files[0].url = "//elsewhere/model.onnx";
  wrong[5].versions.push_back(good.versions[0]);
  wrong[6].versions[0].percent = 101;
  for (const FleetManifest& manifest : wrong) {
    const auto read = FleetManifestFromJson(ToJson(manifest));
    ASSERT_FALSE(read.ok()) << ToJson(manifest);
    EXPECT_EQ(read.error().kind, ErrorKind::kCorrupt);
  }
  EXPECT_EQ(FleetManifestFromJson("{\"format\": 2}").error().kind, ErrorKind::kUnsupported);
  EXPECT_EQ(FleetManifestFromJson("[]").error().kind, ErrorKind::kCorrupt);
}

TEST(FleetEnvelope, ComesApartAgain) {
  // DSSE's own form of what is signed: protocol.md, "DSSEv1 29 http://example.com/HelloWorld 11 hello world".
  EXPECT_EQ(FleetSignedBytes("hello world"),
            "DSSEv1 33 application/vnd.muster.fleet+json 11 hello world");
  const auto parts = ParseFleetEnvelope(FleetEnvelope("hello", "\x30\x01", "hint"));
  ASSERT_TRUE(parts.ok()) << parts.error().message;
  EXPECT_EQ(parts->payload, "hello");
  EXPECT_EQ(parts->signature, "\x30\x01");
  for (
      const char* wrong :
      {"", "{}", R"({"payload":"aGk=","payloadType":"x","signatures":[{"keyid":"","sig":""}]})",
       R"({"payload":"?","payloadType":"application/vnd.muster.fleet+json","signatures":[{"keyid":"","sig":""}]})"}) {
    const auto read = ParseFleetEnvelope(wrong);
    ASSERT_FALSE(read.ok()) << wrong;
    EXPECT_EQ(read.error().kind, ErrorKind::kCorrupt);
  }
}

}  // namespace
}  // namespace muster::registry
