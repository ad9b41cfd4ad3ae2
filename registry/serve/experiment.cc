#include "registry/serve/experiment.h"

#include <array>
#include <boost/json/array.hpp>
#include <utility>

#include "registry/serve/rate_json.h"
#include "runtime/base/log.h"

namespace muster::registry::serve {
namespace {

constexpr std::size_t kDealtMost = 50'000;  // as MonitorSpec's outcomes_most

std::string_view StateName(Rollout::State state) {
  constexpr std::array<std::string_view, 3> kNames{"running", "rolled_back", "done"};
  return kNames[static_cast<std::size_t>(state)];
}

boost::json::object ArmJson(const Rollout::Figures& figures) {
  boost::json::object arm{{"answered", RateJson(figures.answered, figures.answered_interval)},
                          {"right", RateJson(figures.labelled, figures.labelled_interval)},
                          {"mean_ms", nullptr}};
  if (figures.answered.trials > 0) arm["mean_ms"] = figures.mean_ms;
  return arm;
}

}  // namespace

Experiment::Experiment(ServedPtr champion, ServedPtr challenger, ExperimentOptions options,
                       const Clock& clock)
    : champion_(std::move(champion)),
      challenger_(std::move(challenger)),
      options_(std::move(options)),
      clock_(clock),
      rollout_(options_.rollout, challenger_->name + "/" + challenger_->version, clock_.Now()),
      decided_at_{clock_.UnixNow()} {
  if (options_.shadow) {
    shadow_ = std::make_unique<Shadow>(challenger_->model, *options_.shadow, clock_);
  }
}

Rollout::State Experiment::state() const {
  const std::lock_guard lock(mutex_);
  return rollout_.state();
}

ServedPtr Experiment::Choose(const http::Request& request) {
  if (shadow_ != nullptr) return champion_;
  std::string_view key = request.Header(options_.sticky_header);
  std::string drawn;
  const std::lock_guard lock(mutex_);
  if (key.empty()) key = drawn = "\n" + std::to_string(++requests_);  // no header's value
  return rollout_.Choose(key) == Arm::kChallenger ? challenger_ : champion_;
}

void Experiment::Answered(const ServedModel& by, std::string_view id, bool success,
                          std::chrono::nanoseconds duration) {
  if (shadow_ != nullptr) return;
  const std::chrono::duration<double, std::milli> took = duration;
  const std::lock_guard lock(mutex_);
  rollout_.Answered(&by == challenger_.get() ? Arm::kChallenger : Arm::kChampion, success,
                    took.count());
  if (success && dealt_.emplace(id).second) {
    dealt_order_.emplace_back(id);
    if (dealt_order_.size() > kDealtMost) {
      dealt_.erase(dealt_order_.front());
      dealt_order_.pop_front();
    }
  }
  Look();
}

void Experiment::Labelled(const ServedModel& by, std::string_view id, bool right) {
  if (shadow_ != nullptr) return;
  const std::lock_guard lock(mutex_);
  if (!dealt_.contains(std::string(id))) return;
  rollout_.Labelled(&by == challenger_.get() ? Arm::kChallenger : Arm::kChampion, right);
  Look();
}

void Experiment::Look() {
  if (!rollout_.Look(clock_.Now())) return;
  decided_at_.push_back(clock_.UnixNow());
  const auto& decision = rollout_.log().back();
  const std::string what = challenger_->name + " version " + challenger_->version;
  if (decision.state == Rollout::State::kRolledBack) {
    LogWarning("serve", what + " is rolled back: " + decision.reason);
  } else {
    LogInfo("serve", what + " gets " + decision.reason);
  }
}

bool Experiment::WantsCopies() const { return shadow_ != nullptr && shadow_->HasRoom(); }

void Experiment::Copy(std::vector<Tensor> inputs, const std::vector<Tensor>& outputs) {
  shadow_->Add(std::move(inputs), outputs);
}

void Experiment::GoBack(std::string reason) {
  const std::lock_guard lock(mutex_);
  if (!rollout_.GoBack(clock_.Now(), std::move(reason))) return;
  decided_at_.push_back(clock_.UnixNow());
}

boost::json::object Experiment::Decision(std::size_t index) const {
  const auto& decision = rollout_.log()[index];
  return {{"time", decided_at_[index]},
          {"state", StateName(decision.state)},
          {"share", decision.share},
          {"reason", decision.reason}};
}

boost::json::object Experiment::LastDecision() const {
  const std::lock_guard lock(mutex_);
  return Decision(rollout_.log().size() - 1);
}

boost::json::object Experiment::Describe() const {
  const std::lock_guard lock(mutex_);
  const bool ab = options_.rollout.steps.back() < 1;
  boost::json::object json{{"model", challenger_->name},
                           {"champion", champion_->version},
                           {"challenger", challenger_->version},
                           {"mode", shadow_ != nullptr ? "shadow" : (ab ? "ab" : "canary")},
                           {"state", StateName(rollout_.state())}};
  boost::json::array decisions;
  for (std::size_t i = 0; i < rollout_.log().size(); ++i) decisions.push_back(Decision(i));
  if (shadow_ != nullptr) {
    json["shadow"] = shadow_->Describe();
  } else {
    json["share"] = rollout_.share();
    json["arms"] = boost::json::object{{"champion", ArmJson(rollout_.figures(Arm::kChampion))},
                                       {"challenger", ArmJson(rollout_.figures(Arm::kChallenger))}};
    json["evidence_better"] = rollout_.evidence_better();
  }
  json["decisions"] = std::move(decisions);
  return json;
}

}  // namespace muster::registry::serve
