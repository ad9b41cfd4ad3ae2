#include "trainer/control/telemetry_control.h"

#include <gtest/gtest.h>

namespace muster::trainer::control {
namespace {

struct Heard {
  int sent = 0, polled = 0, flushed = 0, beats = 0;
};

/// Takes records and says that they are lost; has a command at each Poll.
class Failing final : public Control {
 public:
  explicit Failing(Heard& heard) : heard_(heard) {}
  Status Send(const wire::TrialRecord&) override {
    ++heard_.sent;
    return Unavailable("nobody listens");
  }
  Command Poll() override {
    ++heard_.polled;
    return Command::kStop;
  }
  Status Flush() override {
    ++heard_.flushed;
    return Unavailable("nobody listens");
  }
  void Beat(const Position&) override { ++heard_.beats; }

 private:
  Heard& heard_;
};

TEST(TelemetryOnly, PassesRecordsOn_AndNeitherErrorsNorCommandsBack) {
  Heard heard;
  const auto control = TelemetryOnly(std::make_unique<Failing>(heard));
  EXPECT_TRUE(control->Send({.step = 1}).ok());
  EXPECT_EQ(control->Poll(), Command::kNone);
  EXPECT_TRUE(control->Flush().ok());
  control->Beat({});
  EXPECT_EQ(heard.sent, 1);
  EXPECT_EQ(heard.polled, 1);
  EXPECT_EQ(heard.flushed, 0);
  EXPECT_EQ(heard.beats, 1);
}

}  // namespace
}  // namespace muster::trainer::control
