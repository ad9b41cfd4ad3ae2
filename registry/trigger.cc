#include "registry/trigger.h"

namespace muster::registry {

bool ComesByItself(const wire::RetrainSpec& when) {
  return !when.cron.empty() || !when.data.empty() || !when.signals.empty() || when.webhook;
}

std::string_view FiringStateName(FiringState state) {
  switch (state) {
    case FiringState::kClaimed:
      return "claimed";
    case FiringState::kSubmitted:
      return "submitted";
    case FiringState::kRefused:
      return "refused";
    case FiringState::kDecided:
      return "decided";
    case FiringState::kHeld:
      return "held";
    case FiringState::kSkipped:
      return "skipped";
    case FiringState::kWaiting:
      return "waiting";
    case FiringState::kCanary:
      return "canary";
  }
  return "";
}

bool IsOpen(const Firing& firing) {
  return firing.state != FiringState::kRefused && firing.state != FiringState::kDecided &&
         firing.state != FiringState::kSkipped;
}

}  // namespace muster::registry
