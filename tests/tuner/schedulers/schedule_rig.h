#pragma once

#include <array>
#include <boost/json/parse.hpp>
#include <cmath>
#include <functional>
#include <limits>
#include <vector>

#include "tests/tuner/search_rig.h"
#include "tuner/scheduler.h"

/// Plays searches against schedulers in memory, and plays them back.

namespace muster::tuner {

inline SearchSpec StopSpec(const char* stop, std::int64_t trials = 0,
                           std::vector<Goal> goals = {Goal::kMinimize}) {
  SearchSpec spec = SpecOf("tpe", kMixed, 7);
  spec.goals = std::move(goals);
  spec.stop = boost::json::parse(stop).as_object();
  spec.trials = trials;
  return spec;
}

inline std::unique_ptr<Scheduler> SchedulerOf(const SearchSpec& spec) {
  return std::move(*MakeScheduler(spec));
}

/// Starts trials up to `number` where they are missing, appends a report and asks for the verdict on it.
inline Verdict ReportTo(Scheduler& scheduler, History& history, std::int64_t number,
                        std::int64_t step, double value) {
  while (history.size() <= number) history.Start(history.size(), {});
  history.AddReport(number, step, std::array{value});
  return scheduler.Judge(number, history);
}

/// A report, and what the verdict on it asks for.
inline Verdict Obey(Scheduler& scheduler, History& history, std::int64_t number, std::int64_t step,
                    double value) {
  const Verdict verdict = ReportTo(scheduler, history, number, step, value);
  if (verdict == Verdict::kStop) history.Finish(number, {TrialState::kPruned, {}, {}});
  if (verdict == Verdict::kPause) history.Pause(number);
  return verdict;
}

/// What a scheduler said when the history was so long.
struct Said {
  std::int64_t position = 0;
  std::int64_t asked = 0;  ///< the trial judged, or the number given to Choose
  bool judged = false;
  Verdict verdict = Verdict::kContinue;
  Choice choice;
};

struct Play {
  std::int64_t trials = 60, workers = 4, last_step = 27, most_jump = 1;
  double failing = 0, lost = 0, rewinding = 0, nan = 0;  ///< chances a turn
  std::uint64_t seed = 1;
  /// Losses of a trial at a step, one an objective; a noisy learning curve unless it is set.
  std::function<std::vector<double>(const Trial&, std::int64_t)> losses;
};

struct Played {
  History history;
  std::vector<Said> said;
};

/// Runs trials as a cluster would: reports come in any order of trials, attempts are lost and retried from an
/// earlier step.
class Player {
 public:
  Player(const SearchSpec& spec, Scheduler& scheduler, Play play)
      : spec_(spec), scheduler_(scheduler), play_(std::move(play)), random_(play_.seed, 77) {
    played_.history = History(spec.goals);
  }

  Played Run() {
    while (true) {
      Fill();
      if (running_.empty()) return std::move(played_);
      Turn();
    }
  }

 private:
  History& history() { return played_.history; }

  void Fill() {
    while (static_cast<std::int64_t>(running_.size()) < play_.workers) {
      const std::int64_t number = history().size() < play_.trials ? history().size() : kNoNewTrial;
      const Choice choice = scheduler_.Choose(number, history());
      played_.said.push_back({history().position(), number, false, Verdict::kContinue, choice});
      if (choice.kind == Choice::Kind::kResume) {
        history().Resume(choice.trial);
        running_.push_back(choice.trial);
        continue;
      }
      if (number == kNoNewTrial || choice.kind == Choice::Kind::kNothing) return;
      const Random draw(play_.seed, static_cast<std::uint64_t>(number));
      const bool clone = choice.kind == Choice::Kind::kClone;
      history().Start(number, clone ? choice.params : spec_.space->Decode(spec_.space->Draw(draw)));
      steps_.push_back(clone ? choice.step : 0);
      running_.push_back(number);
    }
  }

  void Turn() {
    const auto at = running_.begin() + static_cast<std::ptrdiff_t>(random_.Below(running_.size()));
    const std::int64_t number = *at;
    std::int64_t& step = steps_[static_cast<std::size_t>(number)];
    const auto end = [&](const Outcome& outcome) {
      history().Finish(number, outcome);
      running_.erase(at);
    };
    if (random_.Chance(play_.failing)) return end({TrialState::kFailed, {}, {}});
    if (random_.Chance(play_.lost)) {
      if (random_.Chance(0.5)) return end({TrialState::kLost, {}, {}});
      history().Finish(number, {TrialState::kLost, {}, {}});
      history().Resume(number);
      history().Rewind(number, step /= 2);
      return;
    }
    if (random_.Chance(play_.rewinding)) return history().Rewind(number, step /= 2);
    const auto jump = random_.Below(static_cast<std::uint64_t>(play_.most_jump));
    step = std::min(step + 1 + static_cast<std::int64_t>(jump), play_.last_step);
    history().AddReport(number, step, Losses(number, step));
    const Verdict verdict = scheduler_.Judge(number, history());
    played_.said.push_back({history().position(), number, true, verdict, {}});
    if (verdict == Verdict::kStop) return end({TrialState::kPruned, {}, {}});
    if (step == play_.last_step) return end({TrialState::kComplete, Losses(number, step), {}});
    if (verdict != Verdict::kPause) return;
    history().Pause(number);
    running_.erase(at);
  }

  std::vector<double> Losses(std::int64_t number, std::int64_t step) {
    if (play_.losses) return play_.losses(history().At(number), step);
    std::vector<double> losses;
    for (std::size_t i = 0; i < spec_.goals.size(); ++i) {
      Random draw(play_.seed, static_cast<std::uint64_t>(number));
      draw.Seek(1'000'000 + i);
      Random noise(play_.seed, static_cast<std::uint64_t>(number * 1000 + step));
      noise.Seek(2'000'000 + 2 * i);
      const double loss =
          draw.Uniform() + 1 / (1 + static_cast<double>(step)) + 0.1 * noise.Normal();
      losses.push_back(std::round(loss * 50) / 50);  // coarse, so that there are ties
      if (noise.Chance(play_.nan)) losses.back() = NAN;
    }
    return losses;
  }

  const SearchSpec& spec_;
  Scheduler& scheduler_;
  Play play_;
  Random random_;
  Played played_;
  std::vector<std::int64_t> running_, steps_;
};

inline Played PlayOut(const SearchSpec& spec, Scheduler& scheduler, const Play& play) {
  return Player(spec, scheduler, play).Run();
}

/// Does one change of `from` again.
inline void Again(const Change& change, const History& from, History& to) {
  switch (change.kind) {
    case ChangeKind::kStart:
      return to.Start(change.trial, from.At(change.trial).params);
    case ChangeKind::kReport: {
      std::vector<double> values;
      for (const double loss : from.losses(change)) {
        values.push_back(ValueOf(loss, from.goals()[values.size()]));
      }
      return to.AddReport(change.trial, change.step, values);
    }
    case ChangeKind::kRewind:
      return to.Rewind(change.trial, change.step);
    case ChangeKind::kPause:
      return to.Pause(change.trial);
    case ChangeKind::kResume:
      return to.Resume(change.trial);
    case ChangeKind::kFinish: {
      const bool complete = change.ended == TrialState::kComplete;
      return to.Finish(change.trial,
                       {change.ended, std::vector<double>(complete ? from.goals().size() : 0), {}});
    }
  }
}

}  // namespace muster::tuner
