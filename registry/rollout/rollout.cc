#include "registry/rollout/rollout.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <utility>

#include "runtime/base/check.h"
#include "runtime/base/sha256.h"

namespace muster::registry {
namespace {

/// Of alpha: half for labels, which tell the least from each outcome, the rest for answers and, where it is watched, latency.
constexpr double kLabelsPart = 0.5;

std::string Number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.4g", value);
  return text;
}

std::string Percent(double share) { return Number(100 * share) + " %"; }

std::string Of(const statistics::Rate& rate) {
  if (rate.trials == 0) return "none yet";
  return Percent(static_cast<double>(rate.successes) / static_cast<double>(rate.trials)) + " of " +
         std::to_string(rate.trials);
}

Status CheckMember(std::string_view name, double value, double above, double below) {
  if (value > above && value < below) return Ok();
  return Invalid("at " + std::string(name) + ": wanted a number between " + Number(above) +
                 " and " + Number(below) + ", got " + Number(value));
}

}  // namespace

Status CheckRollout(const RolloutSpec& spec) {
  double before = 0;
  for (const double step : spec.steps) {
    if (!(step > before && step <= 1)) {
      return Invalid("at steps: wanted rising shares between 0 and 1, got " + Number(step) +
                     " after " + Number(before));
    }
    before = step;
  }
  if (spec.steps.empty()) return Invalid("at steps: wanted at least one share");
  if (spec.step_time.count() < 0) return Invalid("at step_time: wanted 0 or more");
  if (spec.step_answers < 0) return Invalid("at step_answers: wanted 0 or more");
  if (spec.step_labels < 0) return Invalid("at step_labels: wanted 0 or more");
  MUSTER_RETURN_IF_ERROR(CheckMember("alpha", spec.alpha, 0, 1));
  MUSTER_RETURN_IF_ERROR(CheckMember("loss", spec.loss, 0, 0.5));
  MUSTER_RETURN_IF_ERROR(CheckMember("slow_share", spec.slow_share, 0, 1));
  if (!(spec.slow_ms >= 0)) return Invalid("at slow_ms: wanted 0 or more");
  return Ok();
}

std::string_view ArmName(Arm arm) { return arm == Arm::kChampion ? "champion" : "challenger"; }

double StickyPoint(std::string_view salt, std::string_view key) {
  std::string text(salt);
  text += '\n';
  text += key;
  const std::string digits = Sha256Hex(text).substr(0, 13);  // 52 bits
  std::uint64_t bits = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), bits, 16);
  return std::ldexp(static_cast<double>(bits), -52);
}

Rollout::Rollout(RolloutSpec spec, std::string salt, MonotonicTime now)
    : spec_(std::move(spec)),
      salt_(std::move(salt)),
      answers_(spec_.loss),
      labels_(spec_.loss),
      better_(spec_.loss),
      slow_(spec_.slow_share) {
  MUSTER_CHECK(CheckRollout(spec_).ok(), "the spec was checked");
  Decide(now, spec_.steps[0] < 1 ? State::kRunning : State::kDone, spec_.steps[0], "started");
}

double Rollout::share() const { return log_.back().share; }

Arm Rollout::Choose(std::string_view key) const {
  if (share() <= 0) return Arm::kChampion;
  return StickyPoint(salt_, key) < share() ? Arm::kChallenger : Arm::kChampion;
}

void Rollout::Answered(Arm arm, bool success, double milliseconds) {
  (arm == Arm::kChampion ? champion_ms_ : challenger_ms_) += milliseconds;
  if (arm == Arm::kChampion) return answers_.AddChampion(success);
  answers_.AddChallenger(success);
  if (spec_.slow_ms > 0) slow_.Add(milliseconds > spec_.slow_ms);
}

void Rollout::Labelled(Arm arm, bool right) {
  if (arm == Arm::kChampion) {
    labels_.AddChampion(right);
    better_.AddChallenger(right);
  } else {
    labels_.AddChallenger(right);
    better_.AddChampion(right);
  }
}

bool Rollout::Look(MonotonicTime now) {
  if (state() != State::kRunning) return false;
  if (std::string reason = Accusation(); !reason.empty()) {
    Decide(now, State::kRolledBack, 0, std::move(reason));
    return true;
  }
  if (step_ + 1 == spec_.steps.size() && share() < 1) return false;  // an A/B test goes on
  const std::int64_t answers = answers_.challenger().trials - answers_before_step_;
  const std::int64_t labels = labels_.challenger().trials - labels_before_step_;
  if (now - log_.back().at < spec_.step_time || answers < spec_.step_answers ||
      labels < spec_.step_labels) {
    return false;
  }
  answers_before_step_ = answers_.challenger().trials;
  labels_before_step_ = labels_.challenger().trials;
  const double next = spec_.steps[++step_];
  Decide(now, next >= 1 ? State::kDone : State::kRunning, next,
         Percent(next) + " of the requests: challenger " + Of(answers_.challenger()) +
             " answered, champion " + Of(answers_.champion()) + "; right " +
             Of(labels_.challenger()) + " and " + Of(labels_.champion()) +
             "; nothing speaks against it");
  return true;
}

bool Rollout::GoBack(MonotonicTime now, std::string reason) {
  if (state() != State::kRunning) return false;
  Decide(now, State::kRolledBack, 0, std::move(reason));
  return true;
}

std::string Rollout::Accusation() const {
  const bool timed = spec_.slow_ms > 0;
  const double rest = (1 - kLabelsPart) / (timed ? 2 : 1);
  const auto enough = [&](double evidence, double part) {
    return evidence >= 1 / (spec_.alpha * part);
  };
  const auto said = [&](double evidence, double part) {
    return "; evidence " + Number(evidence) + ", wanted " + Number(1 / (spec_.alpha * part));
  };
  const auto worse = [&](std::string_view what, const statistics::LossTest& test,
                         double part) -> std::string {
    if (!enough(test.evidence(), part)) return {};
    return std::string(what) + ": challenger " + Of(test.challenger()) + ", champion " +
           Of(test.champion()) + said(test.evidence(), part);
  };
  if (std::string answers = worse("answered", answers_, rest); !answers.empty()) return answers;
  if (std::string labels = worse("right", labels_, kLabelsPart); !labels.empty()) return labels;
  if (!timed || !enough(slow_.evidence(), rest)) return {};
  return "slower than " + Number(spec_.slow_ms) + " ms: " + Of(slow_.events()) +
         " of the challenger's answers, at most " + Percent(spec_.slow_share) + " is good enough" +
         said(slow_.evidence(), rest);
}

void Rollout::Decide(MonotonicTime now, State state, double share, std::string reason) {
  log_.push_back({now, state, share, std::move(reason)});
}

Rollout::Figures Rollout::figures(Arm arm) const {
  const bool champion = arm == Arm::kChampion;
  Figures figures;
  figures.answered = champion ? answers_.champion() : answers_.challenger();
  figures.labelled = champion ? labels_.champion() : labels_.challenger();
  const auto interval = [&](const statistics::Rate& rate) {
    return statistics::SequentialInterval(rate.successes, rate.trials, 1 - spec_.alpha);
  };
  figures.mean_ms =
      (champion ? champion_ms_ : challenger_ms_) / static_cast<double>(figures.answered.trials);
  figures.answered_interval = interval(figures.answered);
  figures.labelled_interval = interval(figures.labelled);
  return figures;
}

}  // namespace muster::registry
