#include "tuner/study_event.h"

#include <gtest/gtest.h>

#include <boost/json/parse.hpp>
#include <cmath>
#include <limits>

#include "tuner/study.h"

namespace muster::tuner {
namespace {

std::string BytesOf(const StudyEvent& event) {
  std::string bytes;
  AppendEvent(bytes, event);
  return bytes;
}

std::string Hex(const std::string& bytes) {
  constexpr const char* kDigits = "0123456789abcdef";
  std::string hex;
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    hex += kDigits[byte >> 4];
    hex += kDigits[byte & 15];
  }
  return hex;
}

struct Golden {
  StudyEvent event;
  const char* hex;
};

/// One of each kind, and its bytes as the header says them, put together by hand.
std::vector<Golden> Goldens() {
  const Params params = {
      {"a", true}, {"b", false}, {"c", std::int64_t{-3}}, {"d", 0.5}, {"e", std::string("hi")}};
  return {
      {Asked{7, params, "tpe", {}},
       "01 0e 05 016101 016200 01630205 016403000000000000e03f 016504026869 03747065 00"},
      {Asked{300, {}, "clone", Asked::Origin{2, 64}}, "01 d804 00 05636c6f6e65 01 04 8001"},
      {Asked{5, {}, "resumed", Asked::Origin{5, 27}}, "02 0a 36"},
      {Reported{1, 3, {1, -2}, Verdict::kStop}, "03 02 06 02 000000000000f03f 00000000000000c0 01"},
      {Told{4, {TrialState::kComplete, {1}, {0.5}}},
       "04 08 02 01 000000000000f03f 01 000000000000e03f"},
      {Enqueued{{{"x", 0.5}}}, "05 01 0178 03 000000000000e03f"},
      {Imported{{{"x", 0.5}}, {TrialState::kFailed, {}, {}}, 0.5},
       "06 01 0178 03 000000000000e03f 04 00 00 000000000000e03f"},
      {GaveUp{}, "07"},
  };
}

std::string WithoutBlanks(std::string text) {
  std::erase(text, ' ');
  return text;
}

TEST(StudyEvent, Bytes_AreAsTheHeaderSays_AndComeBack) {
  for (const Golden& golden : Goldens()) {
    const std::string bytes = BytesOf(golden.event);
    EXPECT_EQ(Hex(bytes), WithoutBlanks(golden.hex));
    std::string_view left = bytes;
    const auto taken = TakeEvent(left);
    ASSERT_TRUE(taken.ok()) << golden.hex;
    EXPECT_TRUE(left.empty()) << golden.hex;
    EXPECT_EQ(taken->index(), golden.event.index());
    EXPECT_EQ(BytesOf(*taken), bytes);
  }
}

TEST(StudyEvent, Fields_ComeBackAsTheyWere) {
  constexpr auto kLeast = std::numeric_limits<std::int64_t>::min();
  constexpr auto kMost = std::numeric_limits<std::int64_t>::max();
  const Params params = {{"", kLeast}, {"most", kMost}, {"text", std::string("\0\xff", 2)}};
  std::string bytes;
  AppendEvent(bytes, Asked{9, params, "tpe", Asked::Origin{3, kMost}});
  AppendEvent(bytes, Reported{9, 1, {NAN, -INFINITY, -0.0}, Verdict::kPause});
  std::string_view left = bytes;
  const auto asked = std::get<Asked>(*TakeEvent(left));
  EXPECT_EQ(asked.trial, 9);
  EXPECT_EQ(asked.params, params);
  EXPECT_EQ(asked.by, "tpe");
  EXPECT_EQ(asked.from->trial, 3);
  EXPECT_EQ(asked.from->step, kMost);
  const auto reported = std::get<Reported>(*TakeEvent(left));
  EXPECT_TRUE(std::isnan(reported.values.at(0)));
  EXPECT_EQ(reported.values.at(1), -INFINITY);
  EXPECT_TRUE(std::signbit(reported.values.at(2)));
  EXPECT_EQ(reported.verdict, Verdict::kPause);
  EXPECT_TRUE(left.empty());
}

TEST(StudyEvent, CutShortOrUnknown_IsRefused) {
  for (const Golden& golden : Goldens()) {
    const std::string bytes = BytesOf(golden.event);
    for (std::size_t size = 0; size < bytes.size(); ++size) {
      std::string_view cut(bytes.data(), size);
      const auto taken = TakeEvent(cut);
      ASSERT_FALSE(taken.ok()) << golden.hex << ", " << size << " bytes of it";
      EXPECT_EQ(taken.error().kind, ErrorKind::kCorrupt);
    }
  }
  // Kinds, a type, a state, a verdict and a flag that there are not; a list longer than what is there.
  using namespace std::string_literals;
  for (const std::string& bytes :
       {"\0"s, "\x08"s, "\xff"s, "\x05\x01\x01x\x05"s, "\x04\x02\x06\0\0"s, "\x03\x02\x02\0\x03"s,
        "\x01\0\0\0\x02"s, "\x05\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"s, "\x05\xff\xff\x03"s}) {
    std::string_view left = bytes;
    EXPECT_EQ(TakeEvent(left).error().kind, ErrorKind::kCorrupt) << Hex(bytes);
  }
}

Study Make(const char* stop = "{}", std::int64_t trials = 0) {
  SearchSpec spec;
  spec.space = *ParseSpace(boost::json::parse(R"({"x":{"float":[0,1]}})").as_object());
  spec.seed = 3;
  spec.sampler = "tpe";
  spec.stop = boost::json::parse(stop).as_object();
  spec.trials = trials;
  return std::move(*Study::Make(spec));
}

TEST(StudyReplay, IsTheSameStudy) {
  constexpr const char* kStop = R"({"asha":{"max":9,"mode":"promote"}})";
  constexpr std::int64_t kTrials = 12;
  Study first = Make(kStop, kTrials);
  std::string events;
  first.RecordTo(&events);
  ASSERT_TRUE(first.Import({{"x", 0.1}}, {TrialState::kComplete, {0.7}}, 0.5).ok());
  ASSERT_TRUE(first.Enqueue({{"x", 0.9}}).ok());
  // A worker that asks until nothing is left: most are paused, some resumed, the rest given up.
  int asked = 0, resumed = 0;
  for (;; ++asked) {
    Study again = Make(kStop, kTrials);
    ASSERT_TRUE(again.Replay(events).ok());
    ASSERT_EQ(again.history().size(), first.history().size());
    ASSERT_EQ(again.history().position(), first.history().position());
    for (const Trial& trial : first.history().trials()) {
      ASSERT_EQ(again.history().At(trial.number).state, trial.state) << trial.number;
      ASSERT_EQ(again.history().At(trial.number).params, trial.params);
      ASSERT_EQ(again.history().At(trial.number).losses, trial.losses);
    }
    const auto next = first.Ask();
    const auto same = again.Ask();
    ASSERT_EQ(next.ok(), same.ok());
    if (!next.ok()) {
      EXPECT_EQ(next.error().message, same.error().message);
      break;
    }
    ASSERT_EQ(next->trial, same->trial);
    ASSERT_EQ(next->params, same->params);
    ASSERT_EQ(next->by, same->by);
    ASSERT_EQ(next->resumes(), same->resumes());
    resumed += next->resumes() ? 1 : 0;
    const double x = std::get<double>(next->params.at("x"));
    for (std::int64_t step = next->from ? next->from->step + 1 : 1;; ++step) {
      const auto verdict = first.Report(next->trial, step, {x + 1.0 / static_cast<double>(step)});
      ASSERT_TRUE(verdict.ok()) << verdict.error().message;
      if (*verdict == Verdict::kPause) break;
      if (*verdict == Verdict::kContinue && step < 9) continue;
      ASSERT_TRUE(first.Tell(next->trial, {TrialState::kComplete, {x}}).ok());
      break;
    }
  }
  EXPECT_GT(asked, kTrials);
  EXPECT_GT(resumed, 0);
  EXPECT_EQ(events.back(), '\x07') << "the last paused ones were given up";
  EXPECT_EQ(first.history().unfinished(), 0);
  Study again = Make(kStop, kTrials);
  ASSERT_TRUE(again.Replay(events).ok());
  EXPECT_EQ(again.history().unfinished(), 0);
}

TEST(StudyReplay, WhatDoesNotComeNext_IsCorrupt) {
  const auto refused = [](const StudyEvent& event) {
    Study study = Make();
    std::string events;
    study.RecordTo(&events);
    EXPECT_TRUE(study.Ask().ok());
    AppendEvent(events, event);
    const Status replayed = Make().Replay(events);
    EXPECT_FALSE(replayed.ok());
    return replayed.ok()                                  ? ""
           : replayed.error().kind == ErrorKind::kCorrupt ? replayed.error().message
                                                          : "not corrupt";
  };
  const std::string next = "what was recorded does not come next: ";
  EXPECT_EQ(refused(Asked{2, {{"x", 0.5}}, "tpe", {}}), next + "trial 2, tpe");
  EXPECT_EQ(refused(Asked{0, {{"x", 0.5}}, "tpe", {}}), next + "trial 0, tpe");
  EXPECT_EQ(refused(Asked{1, {{"x", 0.5}}, "enqueued", {}}), next + "trial 1, enqueued");
  EXPECT_EQ(refused(Asked{0, {}, "resumed", Asked::Origin{0, 1}}), next + "trial 0, resumed");
  EXPECT_EQ(refused(Reported{1, 1, {1}, Verdict::kContinue}),
            next + "at trial: there is no trial 1; the newest is 0");
  EXPECT_EQ(refused(Told{-1, {TrialState::kComplete, {1}}}),
            next + "at trial: there is no trial -1; the newest is 0");
  EXPECT_EQ(refused(Imported{{{"x", 0.5}}, {TrialState::kComplete, {1}}, 1}),
            next + "trials are imported before the first one is asked for");
}

}  // namespace
}  // namespace muster::tuner
