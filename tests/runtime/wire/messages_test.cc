#include "runtime/wire/messages.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "tests/runtime/wire/examples.h"
#include "tests/runtime/wire/frame_layout.h"
#include "tests/runtime/wire/random_message.h"

namespace muster::wire {
namespace {

using testing::HasSubstr;

std::string Refusal(std::string_view bytes, ErrorKind kind, Majors spoken = {}) {
  const auto refused = DecodeEnvelope(bytes, spoken);
  if (refused.ok()) return "it was read";
  EXPECT_EQ(refused.error().kind, kind) << refused.error().message;
  return refused.error().message;
}

/// A frame around `body` of type `type`, whatever they are.
std::string FrameOf(int type, std::string_view body, int form = 0) {
  std::string frame = EncodeEnvelope({.message = Forget{}}).substr(0, 64);
  PutNumber(frame, 10, 2, static_cast<std::uint64_t>(type));
  PutNumber(frame, 12, 1, static_cast<std::uint64_t>(form));
  frame += body;
  Seal(frame);
  return frame;
}

TEST(Envelope, AnyMessage_ComesBackInBothMajors) {
  RandomMessage random(20);
  for (int round = 0; round < 300; ++round) {
    for (std::size_t type = 0; type < std::variant_size_v<Message>; ++type) {
      for (const int major : {1, 2}) {
        const Envelope sent{.major = major,
                            .coordinator = CoordinatorEpoch(random.Number()),
                            .incarnation = random.Number(),
                            .sequence = random.Number(),
                            .message = random.OfType(type)};
        const std::string bytes = EncodeEnvelope(sent);
        const auto back = DecodeEnvelope(bytes);
        ASSERT_TRUE(back.ok()) << back.error().message;
        EXPECT_TRUE(Same(back->message, sent.message)) << MessageName(sent.message);
        EXPECT_EQ(back->coordinator, sent.coordinator);
        EXPECT_EQ(back->major, major);
        EXPECT_EQ(back->incarnation, major == 1 ? 0 : sent.incarnation);
        EXPECT_EQ(back->sequence, major == 1 ? 0 : sent.sequence);
        EXPECT_EQ(back->key, major == 1 ? 0 : IdempotencyKey(sent.message));
      }
    }
  }
}

TEST(Envelope, Repetition_CarriesTheKeyOfTheFirst_AndNothingElseDoes) {
  std::set<std::uint64_t> keys;
  for (Envelope example : Examples()) {
    const std::uint64_t key = DecodeEnvelope(EncodeEnvelope(example))->key;
    example.sequence += 5;
    example.coordinator = CoordinatorEpoch(99);
    EXPECT_EQ(DecodeEnvelope(EncodeEnvelope(example))->key, key);
    EXPECT_TRUE(keys.insert(key).second) << MessageName(example.message);
  }
  EXPECT_NE(IdempotencyKey(Started{AttemptEpoch(1)}), IdempotencyKey(Started{AttemptEpoch(2)}));
}

TEST(Envelope, Prepare_OfAnOlderCoordinator_HasNobodyLookForHangs) {
  const auto older = DecodeEnvelope(
      R"({"v":[1,0],"c":1,"type":"prepare","body":{"epoch":3,"trial":"s/0","silence_ms":300000}})");
  ASSERT_TRUE(older.ok()) << older.error().message;
  EXPECT_EQ(std::get<Prepare>(older->message).hang_ms, 0);
  EXPECT_EQ(std::get<Prepare>(older->message).hang_action, HangAction::kRestart);
}

TEST(Envelope, AnotherMajor_IsRefusedWithBothVersions) {
  const std::string wanted = "the peer speaks protocol 9.1, this muster speaks major 1 to 2";
  EXPECT_EQ(Refusal(R"({"v":[9,1],"c":0,"type":"go","body":{}})", ErrorKind::kUnsupported), wanted);
  std::string frame = EncodeEnvelope({.message = Forget{}});
  PutNumber(frame, 4, 2, 9);
  PutNumber(frame, 6, 2, 1);
  // Also one whose header is another: only magic and version stay where they are.
  EXPECT_EQ(Refusal(frame, ErrorKind::kUnsupported), wanted);
  EXPECT_EQ(Refusal(frame.substr(0, 8), ErrorKind::kUnsupported), wanted);
}

TEST(Envelope, MajorThatIsNotSpokenAnyMoreOrYet_IsRefused) {
  EXPECT_EQ(Refusal(EncodeEnvelope({.message = Forget{}}), ErrorKind::kUnsupported, {1, 1}),
            "the peer speaks protocol 2.1, this muster speaks major 1");
  EXPECT_EQ(
      Refusal(EncodeEnvelope({.major = 1, .message = Forget{}}), ErrorKind::kUnsupported, {2, 2}),
      "the peer speaks protocol 1.0, this muster speaks major 2");
}

TEST(Envelope, NewerMinor_WithUnknownMembersAndALongerHeader_IsRead) {
  EXPECT_TRUE(
      DecodeEnvelope(R"({"v":[1,8],"c":1,"type":"forget","body":{"epoch":1,"why":"x"}})").ok());
  std::string frame =
      EncodeEnvelope({.coordinator = CoordinatorEpoch(5), .message = Forget{AttemptEpoch(3)}});
  frame.insert(64, "more fields");
  frame.replace(frame.size() - 1, 1, R"(,"why":"x"})");
  PutNumber(frame, 6, 2, 8);
  PutNumber(frame, 8, 2, 64 + 11);
  Seal(frame);
  const auto back = DecodeEnvelope(frame);
  ASSERT_TRUE(back.ok()) << back.error().message;
  EXPECT_EQ(back->minor, 8);
  EXPECT_EQ(back->coordinator, CoordinatorEpoch(5));
  EXPECT_EQ(std::get<Forget>(back->message).epoch, AttemptEpoch(3));
}

TEST(Envelope, HeartbeatAsJson_IsReadToo) {
  const auto back = DecodeEnvelope(FrameOf(2, R"({"node":"a","sequence":7,"load":0.5})"));
  ASSERT_TRUE(back.ok()) << back.error().message;
  EXPECT_EQ(std::get<Heartbeat>(back->message).sequence, 7);
}

TEST(Envelope, Garbage_IsInvalid) {
  for (const char* bytes : {"", "[]", "{}", R"({"v":[1,0],"c":1,"type":"zzz","body":{}})",
                            R"({"v":[1,0],"c":1,"type":"go","body":3})", "\xff\xfe", "\xF5MST"}) {
    EXPECT_FALSE(DecodeEnvelope(bytes).ok()) << bytes;
  }
}

TEST(Frame, EachFlippedBit_IsNoticed) {
  const std::string good = EncodeEnvelope(Examples()[9]);
  for (std::size_t bit = 0; bit < 8 * good.size(); ++bit) {
    std::string bad = good;
    bad[bit / 8] = static_cast<char>(bad[bit / 8] ^ (1 << (bit % 8)));
    EXPECT_FALSE(DecodeEnvelope(bad).ok()) << bit;
  }
}

TEST(Frame, WrongLengthsAndForms_AreNamed) {
  const std::string good = EncodeEnvelope(Examples()[0]);
  EXPECT_THAT(Refusal(good.substr(0, 40), ErrorKind::kInvalid), HasSubstr("a frame of 40 bytes"));
  EXPECT_THAT(Refusal(good + "x", ErrorKind::kInvalid), HasSubstr("64 of header"));
  EXPECT_THAT(Refusal(FrameOf(50, "{}"), ErrorKind::kInvalid),
              HasSubstr("unknown message type 50 of protocol 2.1"));
  EXPECT_THAT(Refusal(FrameOf(72, "{}", 9), ErrorKind::kInvalid), HasSubstr("body of form 9"));
  EXPECT_THAT(Refusal(FrameOf(72, "{}", 1), ErrorKind::kInvalid),
              HasSubstr("forget has no short form"));
  EXPECT_THAT(Refusal(FrameOf(2, "1234567", 1), ErrorKind::kInvalid), HasSubstr("7 bytes"));
  EXPECT_THAT(Refusal(FrameOf(72, R"({"epoch":4})"), ErrorKind::kInvalid),
              HasSubstr("forget of attempt 4 in a frame of attempt 0"));
}

TEST(Bounds, WhatNoPeerSends_IsRefusedWithItsPath) {
  const auto refused = [](Message message) {
    std::string both;
    for (const int major : {1, 2})
      both += Refusal(EncodeEnvelope({.major = major, .message = message}), ErrorKind::kInvalid);
    return both;
  };
  EXPECT_THAT(refused(LogChunk{AttemptEpoch(1), 0, "../../x", 0, ""}),
              HasSubstr(R"(log_chunk: at stream: wanted out or err, got "../../x")"));
  EXPECT_THAT(refused(LogChunk{AttemptEpoch(1), -1, "out", 0, ""}), HasSubstr("at rank: -1"));
  EXPECT_THAT(refused(Records{AttemptEpoch(1), 9, 3, {}}), HasSubstr("offsets 9 to 3"));
  EXPECT_THAT(refused(Hello{.node = NodeId(std::string(200, 'n'))}),
              HasSubstr("200 bytes; at most"));
  EXPECT_THAT(refused(Hello{.slots = -1}), HasSubstr("at slots: -1"));
  EXPECT_THAT(refused(Heartbeat{NodeId(std::string(200, 'n')), 1}),
              HasSubstr("at node: 200 bytes"));
  EXPECT_THAT(refused(Prepared{AttemptEpoch(1), "a", 70'000}), HasSubstr("at port: 70000"));
  EXPECT_THAT(refused(Prepare{.start_secret = std::string(300, 's')}),
              HasSubstr("at start_secret: 300 bytes; at most 256"));
  EXPECT_THAT(refused(Exited{.used = ResourceUse{.cpu_ms = -1}}), HasSubstr("at used: -1"));
  EXPECT_THAT(refused(Exited{.used = ResourceUse{.gpu_ms = std::int64_t{1} << 60}}),
              HasSubstr("exited: at used: 1152921504606846976"));
  const auto parts = [&](GangPart part) {
    return refused(Go{AttemptEpoch(1), "a", 1, {std::move(part)}});
  };
  EXPECT_THAT(parts({"a", 70'000, 1}), HasSubstr("go: at parts: 70000"));
  EXPECT_THAT(parts({"a", 1, 0}), HasSubstr("go: at parts: 0; wanted 1 to"));
  EXPECT_THAT(parts({std::string(2000, 'a'), 1, 1}), HasSubstr("go: at parts: 2000 bytes"));
}

TEST(Bounds, LongMessages_AreRefusedBeforeTheyAreRead) {
  EXPECT_THAT(Refusal(std::string(kEnvelopeBytesMax + 1, '['), ErrorKind::kResource),
              HasSubstr("a message of 16777217 bytes; at most 16777216"));
  EXPECT_THAT(Refusal(FrameOf(72, R"({"epoch":0,")" + std::string(5000, 'x') + R"(":0})"),
                      ErrorKind::kResource),
              HasSubstr("forget of 5"));
  std::string many = R"({"node":"a","attempts":[0)";
  for (int i = 0; i < 400'000; ++i) many += ",0";
  EXPECT_THAT(Refusal(FrameOf(1, many + "]}"), ErrorKind::kResource),
              HasSubstr("hello: more than 300000 JSON values"));
}

}  // namespace
}  // namespace muster::wire
