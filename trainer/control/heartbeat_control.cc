#include "trainer/control/heartbeat_control.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>

#include "runtime/base/log.h"

namespace muster::trainer::control {
namespace {

class HeartbeatControl final : public Control {
 public:
  HeartbeatControl(std::unique_ptr<Control> inner, int fd) : inner_(std::move(inner)), fd_(fd) {}
  ~HeartbeatControl() override { close(fd_); }
  HeartbeatControl(const HeartbeatControl&) = delete;
  HeartbeatControl& operator=(const HeartbeatControl&) = delete;

  Status Send(const wire::TrialRecord& record) override {
    return inner_ ? inner_->Send(record) : Ok();
  }
  Command Poll() override { return inner_ ? inner_->Poll() : Command::kNone; }
  Status Flush() override { return inner_ ? inner_->Flush() : Ok(); }
  void Beat(const Position& at) override {
    std::array<char, 128> line{};
    const int size = std::snprintf(
        line.data(), line.size(), "%lld %lld %lld %s\n", static_cast<long long>(++count_),
        static_cast<long long>(at.step), static_cast<long long>(at.total), at.phase);
    // What is left of a longer line follows the newline, where nobody reads.
    const auto bytes = static_cast<std::size_t>(std::clamp(size, 0, static_cast<int>(line.size())));
    [[maybe_unused]] const auto written = pwrite(fd_, line.data(), bytes, 0);
  }

 private:
  std::unique_ptr<Control> inner_;
  int fd_;
  std::int64_t count_ = 0;
};

}  // namespace

std::unique_ptr<Control> WithHeartbeat(std::unique_ptr<Control> inner,
                                       const std::filesystem::path& file) {
  if (file.empty()) return inner;
  const int fd = open(file.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (fd >= 0) return std::make_unique<HeartbeatControl>(std::move(inner), fd);
  LogWarning("control", "no heartbeat: " + IoError("open " + file.string(), errno).message);
  return inner;
}

}  // namespace muster::trainer::control
