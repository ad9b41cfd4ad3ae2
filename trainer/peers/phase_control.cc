#include "trainer/peers/phase_control.h"

namespace muster::trainer::peers {
namespace {

class PhaseControl final : public Control {
 public:
  PhaseControl(std::unique_ptr<Control> inner, RankProgress& progress)
      : inner_(std::move(inner)), progress_(progress) {}
  Status Send(const wire::TrialRecord& record) override {
    return inner_ ? inner_->Send(record) : Ok();
  }
  Command Poll() override { return inner_ ? inner_->Poll() : Command::kNone; }
  Status Flush() override { return inner_ ? inner_->Flush() : Ok(); }
  void Beat(const Position& at) override {
    progress_.Enter(at.phase, at.step);
    if (inner_) inner_->Beat(at);
  }

 private:
  std::unique_ptr<Control> inner_;
  RankProgress& progress_;
};

}  // namespace

std::unique_ptr<Control> WithPhase(std::unique_ptr<Control> inner, RankProgress& progress) {
  return std::make_unique<PhaseControl>(std::move(inner), progress);
}

}  // namespace muster::trainer::peers
