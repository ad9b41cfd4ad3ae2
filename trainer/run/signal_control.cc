#include "trainer/run/signal_control.h"

#include <algorithm>
#include <csignal>

namespace muster::trainer::run {
namespace {

volatile std::sig_atomic_t stop_asked = 0;
volatile std::sig_atomic_t checkpoint_asked = 0;

void OnSignal(int signal) {
  if (signal == SIGUSR2) {
    checkpoint_asked = 1;
    return;
  }
  // The second Ctrl-C ends at once.
  if (signal == SIGINT && stop_asked != 0) std::_Exit(130);
  stop_asked = 1;
}

class SignalControl final : public Control {
 public:
  explicit SignalControl(std::unique_ptr<Control> inner) : inner_(std::move(inner)) {
    struct sigaction action = {};
    action.sa_handler = OnSignal;
    action.sa_flags = SA_RESTART;
    for (const int signal : {SIGTERM, SIGINT, SIGUSR2}) sigaction(signal, &action, nullptr);
  }
  Status Send(const wire::TrialRecord& record) override {
    return inner_ ? inner_->Send(record) : Ok();
  }
  Command Poll() override {
    Command command = inner_ ? inner_->Poll() : Command::kNone;
    if (checkpoint_asked != 0) {
      checkpoint_asked = 0;  // only here: one that comes after the question is for the next Poll
      command = std::max(command, Command::kCheckpoint);
    }
    if (stop_asked != 0) command = Command::kStop;
    return command;
  }
  Status Flush() override { return inner_ ? inner_->Flush() : Ok(); }
  void Beat(const Position& at) override {
    if (inner_) inner_->Beat(at);
  }

 private:
  std::unique_ptr<Control> inner_;
};

}  // namespace

std::unique_ptr<Control> MakeSignalControl(std::unique_ptr<Control> inner) {
  return std::make_unique<SignalControl>(std::move(inner));
}

}  // namespace muster::trainer::run
