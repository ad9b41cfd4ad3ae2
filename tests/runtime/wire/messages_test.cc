#include "runtime/wire/messages.h"

#include <gtest/gtest.h>

namespace muster::wire {
namespace {

// Golden bytes: a change here breaks agents of other versions and needs a new major.
TEST(Envelope, Go_HasGoldenBytes) {
  const Envelope envelope{.coordinator = CoordinatorEpoch(7),
                          .message = Go{AttemptEpoch(12), "127.0.0.1", 4711}};
  const std::string bytes =
      R"({"v":[1,0],"c":7,"type":"go","body":{"epoch":12,"master_address":"127.0.0.1","master_port":4711}})";
  EXPECT_EQ(EncodeEnvelope(envelope), bytes);
  const auto back = DecodeEnvelope(bytes);
  ASSERT_TRUE(back.ok()) << back.error().message;
  EXPECT_EQ(std::get<Go>(back->message).master_port, 4711);
}

TEST(Envelope, Records_HasGoldenBytes) {
  const Envelope envelope{
      .message =
          Records{AttemptEpoch(3), 0, 90, {{RecordType::kMetric, 2, 0, 55, {{"loss", 0.5}}, ""}}}};
  EXPECT_EQ(
      EncodeEnvelope(envelope),
      R"({"v":[1,0],"c":0,"type":"records","body":{"epoch":3,"begin":0,"end":90,"records":[)"
      R"({"type":"metric","step":2,"total_steps":0,"timestamp_ms":55,"metrics":{"loss":5E-1},"path":""}]}})");
}

TEST(Envelope, AnotherMajor_IsRefusedWithBothVersions) {
  const auto refused = DecodeEnvelope(R"({"v":[9,1],"c":0,"type":"go","body":{}})");
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().kind, ErrorKind::kUnsupported);
  EXPECT_EQ(refused.error().message, "the peer speaks protocol 9.1, this muster speaks 1.0");
}

TEST(Envelope, NewerMinor_WithUnknownMembers_IsRead) {
  EXPECT_TRUE(
      DecodeEnvelope(R"({"v":[1,8],"c":1,"type":"forget","body":{"epoch":1,"why":"x"}})").ok());
}

TEST(Envelope, Garbage_IsInvalid) {
  for (const char* bytes : {"", "[]", "{}", R"({"v":[1,0],"c":1,"type":"zzz","body":{}})",
                            R"({"v":[1,0],"c":1,"type":"go","body":3})", "\xff\xfe"}) {
    EXPECT_FALSE(DecodeEnvelope(bytes).ok()) << bytes;
  }
}

}  // namespace
}  // namespace muster::wire
