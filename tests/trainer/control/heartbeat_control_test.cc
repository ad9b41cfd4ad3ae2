#include "trainer/control/heartbeat_control.h"

#include <gtest/gtest.h>

#include "runtime/base/file.h"
#include "runtime/base/random.h"

namespace muster::trainer::control {
namespace {

class HeartbeatControlTest : public testing::Test {
 protected:
  ~HeartbeatControlTest() override { std::filesystem::remove(file_); }
  std::string FirstLine() {
    const std::string text = ReadWholeFile(file_).value();
    return text.substr(0, text.find('\n'));
  }
  const std::filesystem::path file_ = "/tmp/muster_beat_" + RandomHex(4);
};

class Asked final : public Control {
 public:
  explicit Asked(int& sent) : sent_(sent) {}
  Status Send(const wire::TrialRecord&) override {
    ++sent_;
    return Ok();
  }
  Command Poll() override { return Command::kStop; }
  Status Flush() override { return Unavailable("asked"); }

 private:
  int& sent_;
};

TEST_F(HeartbeatControlTest, EachBeat_IsTheFilesFirstLine) {
  const auto control = WithHeartbeat(nullptr, file_);
  control->Beat({.step = 99, .total = 400, .phase = "backward"});
  EXPECT_EQ(FirstLine(), "1 99 400 backward");
  control->Beat({.step = 100, .total = 400, .phase = "load"});
  EXPECT_EQ(FirstLine(), "2 100 400 load");
  EXPECT_TRUE(control->Send({}).ok());
  EXPECT_TRUE(control->Flush().ok());
  EXPECT_EQ(control->Poll(), Command::kNone);
}

TEST_F(HeartbeatControlTest, TheRest_IsTheInnerOnes) {
  int sent = 0;
  const auto control = WithHeartbeat(std::make_unique<Asked>(sent), file_);
  EXPECT_TRUE(control->Send({}).ok());
  EXPECT_EQ(sent, 1);
  EXPECT_EQ(control->Poll(), Command::kStop);
  EXPECT_EQ(control->Flush().error().message, "asked");
}

TEST_F(HeartbeatControlTest, WithoutAFile_TheInnerOneIsAnswered) {
  EXPECT_EQ(WithHeartbeat(nullptr, ""), nullptr);
  int sent = 0;
  auto inner = std::make_unique<Asked>(sent);
  const Control* same = inner.get();
  EXPECT_EQ(WithHeartbeat(std::move(inner), "/nowhere/beat").get(), same);
}

}  // namespace
}  // namespace muster::trainer::control
