#include "runtime/wire/dialect.h"

#include <gtest/gtest.h>

namespace muster::wire {
namespace {

/// The majors in which the next `hellos` Hellos go out.
std::vector<int> Said(Dialect& dialect, int hellos) {
  std::vector<int> majors;
  for (int i = 0; i < hellos; ++i) {
    dialect.OnSend(Hello{});
    majors.push_back(dialect.major());
  }
  return majors;
}

TEST(Dialect, NoAnswer_OlderMajorsAreTriedAndTheNewestAgain) {
  Dialect dialect({1, 3});
  EXPECT_EQ(Said(dialect, 8), (std::vector{3, 3, 2, 2, 1, 1, 3, 3}));
}

TEST(Dialect, FirstAnswer_SettlesItUntilTheConnectionEnds) {
  Dialect dialect;
  EXPECT_EQ(Said(dialect, 3), (std::vector{2, 2, 1}));
  dialect.OnReceived(1);
  EXPECT_EQ(Said(dialect, 5), (std::vector{1, 1, 1, 1, 1}));
  dialect.OnConnected();
  EXPECT_EQ(Said(dialect, 1), (std::vector{2}));
}

TEST(Dialect, LateAnswerToTheNewerMajor_GoesBackToIt) {
  Dialect dialect;
  Said(dialect, 3);
  dialect.OnReceived(2);
  EXPECT_EQ(dialect.major(), 2);
}

TEST(Dialect, Refused_TheNewestCommonIsSpoken) {
  Dialect dialect({1, 3});
  EXPECT_TRUE(dialect.OnRefused({1, 2}));
  EXPECT_EQ(Said(dialect, 2), (std::vector{2, 2}));
  EXPECT_TRUE(dialect.OnRefused({1, 1}));
  EXPECT_EQ(dialect.major(), 1);
  EXPECT_FALSE(dialect.OnRefused({4, 5}));
  EXPECT_FALSE(Dialect({2, 3}).OnRefused({1, 1}));
}

TEST(Dialect, OtherMessages_AreNotCounted) {
  Dialect dialect;
  for (int i = 0; i < 10; ++i) dialect.OnSend(Heartbeat{});
  EXPECT_EQ(dialect.major(), 2);
}

TEST(Refusal, LineOfEveryCode_ComesBack) {
  for (const auto code : {RefusalCode::kVersion, RefusalCode::kKey, RefusalCode::kRole,
                          RefusalCode::kReplaced, RefusalCode::kOther}) {
    const auto back = DecodeRefusal(EncodeRefusal({code, {1, 2}, "because of that"}));
    ASSERT_TRUE(back);
    EXPECT_EQ(back->code, code);
    EXPECT_EQ(back->majors.oldest, 1);
    EXPECT_EQ(back->majors.newest, 2);
    EXPECT_EQ(back->sentence, "because of that");
  }
}

// Golden bytes: agents of every version read this line.
TEST(Refusal, Line_HasGoldenBytes) {
  EXPECT_EQ(EncodeRefusal({RefusalCode::kVersion, {1, 2}, "upgrade"}),
            "muster refused version 1 2 upgrade");
  EXPECT_EQ(DecodeRefusal("muster refused tired 4 7 come back later")->code, RefusalCode::kOther);
}

TEST(Refusal, Else_IsNone) {
  for (const char* bytes : {"", "muster", "muster refused ", "muster refused key", "{\"v\":[1,0]}",
                            "muster refused key x 2 y", "muster refused key 1 99999999999 y"}) {
    EXPECT_FALSE(DecodeRefusal(bytes)) << bytes;
  }
  EXPECT_EQ(EncodeRefusal({RefusalCode::kKey, {1, 2}, std::string(9000, 'x')}).size(), 523U);
}

TEST(Dialect, ReasonsOfLaterMajors_ArePutInWordsOfTheFirst) {
  const auto said = [](int major, StopReason reason) {
    Message message = Stop{.epoch = AttemptEpoch(1), .reason = reason};
    PutInWordsOf(major, message);
    return std::get<Stop>(message).reason;
  };
  EXPECT_EQ(said(1, StopReason::kGangLost), StopReason::kCancelled);
  EXPECT_EQ(said(1, StopReason::kFenced), StopReason::kFenced);
  EXPECT_EQ(said(2, StopReason::kGangLost), StopReason::kGangLost);
}

}  // namespace
}  // namespace muster::wire
