#include "tuner/schedulers/halving.h"

#include <algorithm>
#include <limits>

namespace muster::tuner {
namespace {

constexpr std::int64_t kOpen = std::numeric_limits<std::int64_t>::max() / 4;

std::vector<std::int64_t> Levels(const SuccessiveHalving::Options& options) {
  std::vector<std::int64_t> levels;
  for (std::int64_t level = options.min; level < options.max; level *= options.eta) {
    levels.push_back(level);
    if (level > options.max / options.eta) break;  // the next is beyond max, and may overflow
  }
  return levels;
}

}  // namespace

SuccessiveHalving::SuccessiveHalving(const Options& options)
    : options_(options), levels_(Levels(options)) {
  const std::size_t count = options.brackets ? levels_.size() + 1 : 1;
  std::vector<double> shares;
  double total = 0;
  for (std::size_t first = 0; first < count; ++first) {
    Bracket bracket{.first = first};
    for (std::size_t k = first; k < levels_.size(); ++k) {
      bracket.rungs.push_back(MakeStanding(options.objectives));
    }
    bracket.live.resize(bracket.rungs.size() + 1);
    double power = 1;
    for (std::size_t k = 0; k < bracket.rungs.size(); ++k) {
      power *= static_cast<double>(options.eta);
    }
    const auto rungs = static_cast<double>(bracket.rungs.size());
    shares.push_back(std::ceil(static_cast<double>(count) / (rungs + 1) * power));
    total += shares.back();
    brackets_.push_back(std::move(bracket));
  }
  double sum = 0;
  for (std::size_t i = 0; i + 1 < count; ++i) {
    sum += shares[i];
    bounds_.push_back(static_cast<std::uint64_t>(sum / total * 0x1p64));
  }
}

std::size_t SuccessiveHalving::BracketOf(std::int64_t number) const {
  // Multiples of the golden ratio: every run of consecutive numbers has each bracket's share of it.
  const std::uint64_t place =
      Random(options_.seed, ~std::uint64_t{0}).Next() +
      static_cast<std::uint64_t>(number) * std::uint64_t{0x9E3779B97F4A7C15};
  return static_cast<std::size_t>(std::ranges::upper_bound(bounds_, place) - bounds_.begin());
}

void SuccessiveHalving::Read(const History& history) {
  for (; read_ < history.changes().size(); ++read_) Apply(history.changes()[read_], history);
}

void SuccessiveHalving::Apply(const Change& change, const History& history) {
  if (change.kind == ChangeKind::kStart) {
    seen_.push_back({.bracket = BracketOf(change.trial)});
    ++brackets_[seen_.back().bracket].live[0];
    ++running_;
    // The other brackets now have one less to come.
    for (Bracket& bracket : brackets_) GiveUp(bracket);
    return;
  }
  Seen& seen = seen_[static_cast<std::size_t>(change.trial)];
  Bracket& bracket = brackets_[seen.bracket];
  switch (change.kind) {
    case ChangeKind::kStart:
      break;
    case ChangeKind::kReport:
      OnReport(change, seen, history);
      break;
    case ChangeKind::kRewind:
      seen.reached = std::min(seen.reached, Passed(bracket, change.step));
      seen.verdict = Verdict::kContinue;
      break;
    case ChangeKind::kPause:
      seen.paused = true;
      --running_;
      if (seen.entered > 0) {
        bracket.rungs[seen.entered - 1]->Wait(change.trial, LossesAt(seen, seen.entered - 1));
      }
      break;
    case ChangeKind::kResume:
      OnResume(change.trial, seen);
      break;
    case ChangeKind::kFinish:
      OnFinish(change, seen);
      break;
  }
  GiveUp(bracket);
}

void SuccessiveHalving::OnReport(const Change& change, Seen& seen, const History& history) {
  Bracket& bracket = brackets_[seen.bracket];
  const std::size_t passed = Passed(bracket, change.step);
  if (passed <= seen.reached) return;
  if (passed > seen.entered) {
    constexpr double kWorst = std::numeric_limits<double>::infinity();
    std::vector<double> losses(
        options_.objectives);  // one that is not reported is the same for all
    std::ranges::copy(history.losses(change), losses.begin());
    if (std::ranges::find(losses, kWorst) != losses.end()) std::ranges::fill(losses, kWorst);
    // A paused one reports on until it has ended; then it waits where it came to.
    const bool waits = seen.paused && !seen.given_up && seen.entered > 0;
    if (waits)
      bracket.rungs[seen.entered - 1]->Leave(change.trial, LossesAt(seen, seen.entered - 1));
    if (!seen.given_up) {
      --bracket.live[seen.entered];
      ++bracket.live[passed];
    }
    for (; seen.entered < passed; ++seen.entered) {
      seen.losses.insert(seen.losses.end(), losses.begin(), losses.end());
      bracket.rungs[seen.entered]->Insert(change.trial, losses);
    }
    if (waits)
      bracket.rungs[seen.entered - 1]->Wait(change.trial, LossesAt(seen, seen.entered - 1));
  }
  const std::size_t from = seen.reached;
  seen.reached = passed;
  if (seen.verdict != Verdict::kStop) seen.verdict = JudgeAt(change.trial, seen, from);
}

Verdict SuccessiveHalving::JudgeAt(std::int64_t number, const Seen& seen, std::size_t from) const {
  const Bracket& bracket = brackets_[seen.bracket];
  const auto rank = [&](std::size_t rung) {
    return bracket.rungs[rung]->Rank(number, LossesAt(seen, rung));
  };
  if (!options_.promote) {
    for (std::size_t rung = from; rung < seen.reached; ++rung) {
      if (rank(rung) >= Share(bracket, rung, true)) return Verdict::kStop;
    }
    return Verdict::kContinue;
  }
  const std::size_t rung = seen.reached - 1;
  const std::size_t own = rank(rung);
  const std::int64_t arrivals = Arrivals(bracket, rung, NotStarted());
  if (own < Share(bracket, rung, arrivals == 0)) return Verdict::kContinue;
  const auto most = static_cast<std::int64_t>(bracket.rungs[rung]->size()) + arrivals;
  const std::int64_t share = std::max<std::int64_t>(1, most / options_.eta);
  return static_cast<std::int64_t>(own) < share ? Verdict::kPause : Verdict::kStop;
}

void SuccessiveHalving::OnResume(std::int64_t number, Seen& seen) {
  Bracket& bracket = brackets_[seen.bracket];
  ++running_;
  if (seen.paused && seen.entered > 0) {
    bracket.rungs[seen.entered - 1]->Leave(number, LossesAt(seen, seen.entered - 1));
  }
  if (seen.finished || seen.given_up) ++bracket.live[seen.entered];
  for (std::size_t rung = 0; seen.out && rung < seen.entered; ++rung) {
    bracket.rungs[rung]->Insert(number, LossesAt(seen, rung));
  }
  seen.paused = seen.finished = seen.out = seen.given_up = false;
  seen.verdict = Verdict::kContinue;
}

void SuccessiveHalving::OnFinish(const Change& change, Seen& seen) {
  Bracket& bracket = brackets_[seen.bracket];
  if (seen.paused && seen.entered > 0) {
    bracket.rungs[seen.entered - 1]->Leave(change.trial, LossesAt(seen, seen.entered - 1));
  }
  if (!seen.paused) --running_;
  if (!seen.given_up) --bracket.live[seen.entered];
  seen.paused = seen.given_up = false;
  seen.finished = true;
  seen.out = change.ended == TrialState::kFailed || change.ended == TrialState::kLost;
  for (std::size_t rung = 0; seen.out && rung < seen.entered; ++rung) {
    bracket.rungs[rung]->Erase(change.trial, LossesAt(seen, rung));
  }
}

void SuccessiveHalving::GiveUp(Bracket& bracket) {
  if (!options_.promote || options_.trials == 0) return;
  for (std::size_t k = 0; k < bracket.rungs.size(); ++k) {
    Standing& rung = *bracket.rungs[k];
    const std::int64_t most =
        static_cast<std::int64_t>(rung.size()) + Arrivals(bracket, k, NotStarted());
    const std::int64_t share = std::max<std::int64_t>(1, most / options_.eta);
    for (auto worst = rung.WorstWaiting(); worst && static_cast<std::int64_t>(worst->rank) >= share;
         worst = rung.WorstWaiting()) {
      Seen& seen = seen_[static_cast<std::size_t>(worst->trial)];
      rung.Leave(worst->trial, LossesAt(seen, k));
      seen.given_up = true;
      --bracket.live[seen.entered];
    }
  }
}

std::size_t SuccessiveHalving::Passed(const Bracket& bracket, std::int64_t step) const {
  const auto all = std::ranges::upper_bound(levels_, step) - levels_.begin();
  return static_cast<std::size_t>(
      std::max<std::ptrdiff_t>(0, all - static_cast<std::ptrdiff_t>(bracket.first)));
}

Standing::Losses SuccessiveHalving::LossesAt(const Seen& seen, std::size_t rung) const {
  return Standing::Losses(seen.losses).subspan(rung * options_.objectives, options_.objectives);
}

std::int64_t SuccessiveHalving::NotStarted() const {
  if (options_.trials == 0) return kOpen;
  return std::max<std::int64_t>(0, options_.trials - static_cast<std::int64_t>(seen_.size()));
}

std::int64_t SuccessiveHalving::Arrivals(const Bracket& bracket, std::size_t rung,
                                         std::int64_t more) const {
  for (std::size_t entered = 0; entered <= rung; ++entered) more += bracket.live[entered];
  return more;
}

std::size_t SuccessiveHalving::Share(const Bracket& bracket, std::size_t rung, bool final) const {
  const std::size_t share = bracket.rungs[rung]->size() / static_cast<std::size_t>(options_.eta);
  return final ? std::max<std::size_t>(1, share) : share;
}

Verdict SuccessiveHalving::Judge(std::int64_t number, const History& history) {
  Read(history);
  return seen_[static_cast<std::size_t>(number)].verdict;
}

Choice SuccessiveHalving::Choose(std::int64_t number, const History& history) {
  Read(history);
  const bool over = number == kNoNewTrial || (options_.trials > 0 && number >= options_.trials);
  for (std::size_t level = levels_.size(); level-- > 0;) {
    for (const Bracket& bracket : brackets_) {
      if (level < bracket.first) continue;
      const std::size_t rung = level - bracket.first;
      const auto best = bracket.rungs[rung]->BestWaiting();
      if (!best) continue;
      const bool final = over && (running_ == 0 || Arrivals(bracket, rung, 0) == 0);
      if (best->rank >= Share(bracket, rung, final)) continue;
      const Trial& trial = history.At(best->trial);
      return {Choice::Kind::kResume,
              best->trial,
              trial.reports.empty() ? 0 : trial.reports.back().step,
              {}};
    }
  }
  return {over ? Choice::Kind::kNothing : Choice::Kind::kSample};
}

bool SuccessiveHalving::NeedsCheckpoint(std::int64_t number, const History& history) {
  Read(history);
  const Seen& seen = seen_[static_cast<std::size_t>(number)];
  return seen.paused && !seen.given_up;
}

std::uint64_t SuccessiveHalving::visits() const {
  std::uint64_t sum = 0;
  for (const Bracket& bracket : brackets_) {
    for (const auto& rung : bracket.rungs) sum += rung->visits();
  }
  return sum;
}

std::string SuccessiveHalving::Explain(const History& history) {
  Read(history);
  std::string text = std::string(options_.brackets ? "hyperband" : "asha") +
                     (options_.promote ? " (promote)" : " (stop)") +
                     ": of the trials at each rung the best 1/" + std::to_string(options_.eta) +
                     " go on";
  std::int64_t bracket_number = 0;
  for (const Bracket& bracket : brackets_) {
    std::vector<std::int64_t> stopped(bracket.rungs.size()), given_up(bracket.rungs.size());
    for (const Seen& seen : seen_) {
      if (&brackets_[seen.bracket] != &bracket || seen.entered == 0 || seen.out) continue;
      given_up[seen.entered - 1] += seen.given_up ? 1 : 0;
    }
    for (std::size_t number = 0; number < seen_.size(); ++number) {
      const Seen& seen = seen_[number];
      if (&brackets_[seen.bracket] != &bracket || seen.entered == 0) continue;
      const bool pruned =
          history.At(static_cast<std::int64_t>(number)).state == TrialState::kPruned;
      stopped[seen.entered - 1] += pruned ? 1 : 0;
    }
    if (options_.brackets) {
      text += "; bracket " + std::to_string(bracket_number++);
      if (bracket.rungs.empty()) text += ": whole trials";
    }
    for (std::size_t k = 0; k < bracket.rungs.size(); ++k) {
      const Standing& rung = *bracket.rungs[k];
      text += "; at " + std::to_string(levels_[bracket.first + k]) + ": " +
              std::to_string(rung.size()) + " reached it, " + std::to_string(stopped[k]) +
              " stopped";
      if (!options_.promote) continue;
      text += ", " + std::to_string(rung.waiting()) + " paused, " + std::to_string(given_up[k]) +
              " given up";
    }
  }
  return text;
}

}  // namespace muster::tuner
