#include "trainer/torch/agreement.h"

#include <algorithm>

namespace muster::trainer {
namespace {

constexpr double kAgreeSeconds = 1;

}  // namespace

Agreement::Agreement(const Gang& gang, Control& control, const Clock& clock, Options options)
    : gang_(gang), control_(control), clock_(clock), options_(options), told_at_(Seconds()) {}

double Agreement::Seconds() const {
  return std::chrono::duration<double>(clock_.Now().time_since_epoch()).count();
}

void Agreement::Restart() {
  agreed_at_ = Seconds();
  steps_since_ = 0;
}

std::int64_t Agreement::NextInterval() const {
  if (steps_since_ == 0) return interval_;
  const double step = (Seconds() - agreed_at_) / static_cast<double>(steps_since_);
  const auto most = static_cast<double>(options_.most_steps);
  return step > 0 ? static_cast<std::int64_t>(std::clamp(kAgreeSeconds / step, 1.0, most))
                  : options_.most_steps;
}

Agreement::Heard Agreement::Agree(bool failed) {
  const Command heard = control_.Poll();
  const bool tell = Seconds() - told_at_ >= options_.telemetry_seconds;
  // One message; the last two are rank 0's to say.
  std::vector<double> said{heard == Command::kStop ? 1.0 : 0.0,
                           heard == Command::kCheckpoint ? 1.0 : 0.0, failed ? 1.0 : 0.0,
                           gang_.first() ? static_cast<double>(NextInterval()) : 0.0,
                           gang_.first() && tell ? 1.0 : 0.0};
  gang_.Sum(said);
  interval_ = static_cast<std::int64_t>(said[3]);
  Restart();
  if (said[4] > 0) told_at_ = agreed_at_;
  const Command command = said[0] > 0   ? Command::kStop
                          : said[1] > 0 ? Command::kCheckpoint
                                        : Command::kNone;
  return {.command = command, .tell = said[4] > 0, .failed = said[2] > 0};
}

}  // namespace muster::trainer
