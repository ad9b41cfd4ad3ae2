#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "registry/statistics/sequential.h"
#include "runtime/base/clock.h"
#include "runtime/base/result.h"

/// How a challenger takes over from a champion, request by request (a canary), watched by tests that may be looked at
/// after every one. Pure: times and outcomes are handed in, and the same ones make the same decisions.

namespace muster::registry {

struct RolloutSpec {
  /// Shares of the requests, rising. A last one below 1 is kept: an A/B test, which never ends by itself but may go back.
  std::vector<double> steps = {0.01, 0.05, 0.25, 1};
  std::chrono::seconds step_time{60};  ///< that a step lasts at least,
  std::int64_t step_answers = 200;     ///< and until the challenger has answered so many in it,
  /// and so many of its answers have got their label in it. With 0 labels that come later than a step lasts decide nothing.
  std::int64_t step_labels = 0;
  double alpha =
      0.05;  ///< chance that a challenger which is no worse is rolled back, over the whole rollout
  double loss = 0.02;  ///< of the rates of answers and of right labels: the smallest that matters
  double slow_ms = 0;  ///< an answer that takes longer is slow; 0: none is
  double slow_share = 0.01;  ///< of slow answers that are still good enough
};
/// kInvalid names the member that is out of its range.
Status CheckRollout(const RolloutSpec& spec);

enum class Arm { kChampion, kChallenger };
std::string_view ArmName(Arm arm);

/// Where a key lies in [0, 1): the same for the same salt, everywhere and always. Whoever is on the challenger at one
/// share is so at every larger one.
double StickyPoint(std::string_view salt, std::string_view key);

/// One thread at a time.
class Rollout {
 public:
  enum class State { kRunning, kRolledBack, kDone };

  /// `salt`: what makes this rollout's draw of keys its own. The spec has passed CheckRollout.
  Rollout(RolloutSpec spec, std::string salt, MonotonicTime now);

  /// The share of the requests that is the challenger's now: 0 once it is rolled back, 1 when it has taken over.
  [[nodiscard]] double share() const;
  [[nodiscard]] Arm Choose(std::string_view key) const;

  /// A request was answered, or failed through the model's fault: not for a bad request.
  void Answered(Arm arm, bool success, double milliseconds);
  /// The truth of an earlier answer is known.
  void Labelled(Arm arm, bool right);

  /// A step on, or back: what was decided at one moment, and why.
  struct Decision {
    MonotonicTime at;
    State state = State::kRunning;
    double share = 0;  ///< from here on
    std::string reason;
  };
  /// Decides. True when something was: the newest of log() says what.
  bool Look(MonotonicTime now);
  /// Back, because somebody says so. False when it has ended already.
  bool GoBack(MonotonicTime now, std::string reason);
  [[nodiscard]] State state() const { return log_.back().state; }
  [[nodiscard]] const std::vector<Decision>& log() const {
    return log_;
  }  ///< begins with the start
  [[nodiscard]] const RolloutSpec& spec() const { return spec_; }

  struct Figures {
    statistics::Rate answered, labelled;
    statistics::Interval answered_interval, labelled_interval;  ///< hold at all times
    double mean_ms = 0;                                         ///< of its answers; NaN without any
  };
  [[nodiscard]] Figures figures(Arm arm) const;
  /// Against "the challenger is right no more often"; at least 1 / alpha: it is better, wrongly said with probability
  /// alpha. What an A/B test is looked at for; decides nothing.
  [[nodiscard]] double evidence_better() const { return better_.evidence(); }

 private:
  /// What speaks against the challenger strongly enough; empty: nothing.
  [[nodiscard]] std::string Accusation() const;
  void Decide(MonotonicTime now, State state, double share, std::string reason);

  const RolloutSpec spec_;
  const std::string salt_;
  statistics::LossTest answers_, labels_;
  statistics::LossTest better_;  ///< labels with the arms' roles exchanged
  statistics::ExceedanceTest slow_;
  double champion_ms_ = 0, challenger_ms_ = 0;  ///< sums
  std::size_t step_ = 0;
  std::int64_t answers_before_step_ = 0, labels_before_step_ = 0;
  std::vector<Decision> log_;
};

}  // namespace muster::registry
