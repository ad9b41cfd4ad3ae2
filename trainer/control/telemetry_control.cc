#include "trainer/control/telemetry_control.h"

#include <utility>

namespace muster::trainer::control {
namespace {

class TelemetryControl final : public Control {
 public:
  explicit TelemetryControl(std::unique_ptr<Control> inner) : inner_(std::move(inner)) {}

  Status Send(const wire::TrialRecord& record) override {
    (void)inner_->Send(record);
    return Ok();
  }
  Command Poll() override {
    (void)inner_->Poll();  // takes acknowledgements
    return Command::kNone;
  }
  Status Flush() override { return Ok(); }
  void Beat(const Position& at) override { inner_->Beat(at); }

 private:
  std::unique_ptr<Control> inner_;
};

}  // namespace

std::unique_ptr<Control> TelemetryOnly(std::unique_ptr<Control> inner) {
  return std::make_unique<TelemetryControl>(std::move(inner));
}

}  // namespace muster::trainer::control
