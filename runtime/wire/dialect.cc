#include "runtime/wire/dialect.h"

#include <algorithm>

namespace muster::wire {
namespace {

constexpr int kPatience = 2;

}  // namespace

void Dialect::OnConnected() {
  major_ = spoken_.newest;
  settled_ = false;
  unanswered_ = 0;
}

void Dialect::OnSend(const Message& message) {
  if (settled_ || !std::holds_alternative<Hello>(message)) return;
  if (unanswered_ == kPatience) {
    major_ = major_ > spoken_.oldest ? major_ - 1 : spoken_.newest;
    unanswered_ = 0;
  }
  ++unanswered_;
}

void Dialect::OnReceived(int major) {
  major_ = major;
  settled_ = true;
}

bool Dialect::OnRefused(Majors theirs) {
  const int common = std::min(spoken_.newest, theirs.newest);
  if (common < std::max(spoken_.oldest, theirs.oldest)) return false;
  major_ = common;
  settled_ = false;
  unanswered_ = 0;
  return true;
}

void PutInWordsOf(int major, Message& message) {
  auto* stop = std::get_if<Stop>(&message);
  if (major == 1 && stop != nullptr && stop->reason > StopReason::kShutdown) {
    stop->reason = StopReason::kCancelled;
  }
}

}  // namespace muster::wire
