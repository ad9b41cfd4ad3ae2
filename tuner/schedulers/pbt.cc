#include "tuner/schedulers/pbt.h"

#include <algorithm>
#include <cmath>

namespace muster::tuner {
namespace {

/// Streams of random numbers apart from those of the samplers, which use the trial's number.
constexpr std::uint64_t kDonorStream = std::uint64_t{0x5042} << 48;
constexpr std::uint64_t kPerturbStream = std::uint64_t{0x5043} << 48;

std::size_t Share(double quantile, std::size_t size) {
  return static_cast<std::size_t>(quantile * static_cast<double>(size));
}

}  // namespace

void Pbt::Read(const History& history) {
  for (; read_ < history.changes().size(); ++read_) Apply(history.changes()[read_], history);
}

void Pbt::Apply(const Change& change, const History& history) {
  const std::int64_t number = change.trial;
  switch (change.kind) {
    case ChangeKind::kStart: {
      const Choice plan = Plan(number);
      Member member;
      if (plan.kind == Choice::Kind::kClone) {
        member.donor = plan.trial;
        member.step = plan.step;
        member.level = At(plan.trial).level;
      }
      if (!vacancies_.empty()) vacancies_.pop_front();
      members_.push_back(std::move(member));
      live_.insert(number);
      return;
    }
    case ChangeKind::kReport:
      OnReport(change, history);
      return;
    case ChangeKind::kRewind:
      if (At(number).paused) {
        waiting_.erase({At(number).level, number});
        waiting_.emplace(std::min(At(number).level, change.step / options_.interval), number);
      }
      At(number).level = std::min(At(number).level, change.step / options_.interval);
      At(number).step = std::min(At(number).step, change.step);
      At(number).verdict = Verdict::kContinue;
      return;
    case ChangeKind::kPause:
      At(number).paused = true;
      waiting_.emplace(At(number).level, number);
      return;
    case ChangeKind::kResume: {
      Member& member = At(number);
      waiting_.erase({member.level, number});
      live_.insert(number);
      for (const auto& [level, loss] : member.losses) {
        if (member.finished) rungs_[level].Erase({loss, number});  // it may have left, or not
        if (member.finished) rungs_[level].Insert({loss, number});
      }
      member.paused = member.finished = false;
      member.verdict = Verdict::kContinue;
      return;
    }
    case ChangeKind::kFinish:
      OnFinish(change);
      return;
  }
}

void Pbt::OnReport(const Change& change, const History& history) {
  Member& member = At(change.trial);
  const std::int64_t level = change.step / options_.interval;
  if (level <= member.level) return;
  // A paused one reports on until it has ended.
  if (member.paused) {
    waiting_.erase({member.level, change.trial});
    waiting_.emplace(level, change.trial);
  }
  member.level = level;
  member.step = change.step;
  member.committed = true;
  const auto [place, first] = member.losses.emplace(level, history.losses(change)[0]);
  if (first) rungs_[level].Insert({place->second, change.trial});
  if (AtMax(member)) {
    member.verdict = Verdict::kContinue;
  } else if (member.verdict != Verdict::kStop) {
    member.verdict = JudgeAt(change.trial, member, first);
  }
}

Verdict Pbt::JudgeAt(std::int64_t number, const Member& member, bool first) const {
  const Rung& rung = rungs_.at(member.level);
  const double loss = member.losses.at(member.level);
  const std::size_t rank = rung.Rank({loss, number});
  if (loss == std::numeric_limits<double>::infinity() ||
      rank >= rung.size() - Share(options_.quantile, rung.size())) {
    return Verdict::kStop;
  }
  if (options_.parallel == 0 || options_.parallel >= options_.population) return Verdict::kContinue;
  if (!first) return Verdict::kContinue;
  const bool more = static_cast<std::int64_t>(live_.size()) < options_.population &&
                    !Over(static_cast<std::int64_t>(members_.size()));
  return more || !waiting_.empty() ? Verdict::kPause : Verdict::kContinue;
}

void Pbt::OnFinish(const Change& change) {
  Member& member = At(change.trial);
  if (member.paused) waiting_.erase({member.level, change.trial});
  member.paused = false;
  member.finished = true;
  live_.erase(change.trial);
  const bool broke = change.ended == TrialState::kFailed;
  if (broke || change.ended == TrialState::kLost) {
    for (const auto& [level, loss] : member.losses) rungs_[level].Erase({loss, change.trial});
  }
  const bool replaced = broke || change.ended == TrialState::kPruned;
  if (replaced && member.level > 0) vacancies_.push_back(member.level);
}

bool Pbt::Over(std::int64_t number) const {
  return number == kNoNewTrial || (options_.trials > 0 && number >= options_.trials);
}

std::optional<std::int64_t> Pbt::Donor(std::int64_t number, Vacancy level) const {
  const auto rung = rungs_.find(level);
  if (rung == rungs_.end()) return std::nullopt;
  const std::size_t best = std::max<std::size_t>(1, Share(options_.quantile, rung->second.size()));
  std::vector<std::int64_t> donors;
  for (std::size_t rank = 0; rank < rung->second.size(); ++rank) {
    if (rank >= best && !donors.empty()) break;
    const std::int64_t trial = rung->second.At(rank).trial;
    const Member& member = At(trial);
    if (live_.contains(trial) && member.verdict != Verdict::kStop && !AtMax(member)) {
      donors.push_back(trial);
    }
  }
  if (donors.empty()) return std::nullopt;
  Random random(options_.seed, kDonorStream | static_cast<std::uint64_t>(number));
  return donors[random.Below(donors.size())];
}

Choice Pbt::Plan(std::int64_t number) const {
  if (!Over(number) && static_cast<std::int64_t>(live_.size()) < options_.population) {
    const auto donor = vacancies_.empty() ? std::nullopt : Donor(number, vacancies_.front());
    if (donor) return {Choice::Kind::kClone, *donor, At(*donor).step, {}};
    return {Choice::Kind::kSample};
  }
  if (waiting_.empty()) return {Choice::Kind::kNothing};
  const std::int64_t least = waiting_.begin()->second;
  return {Choice::Kind::kResume, least, At(least).step, {}};
}

Verdict Pbt::Judge(std::int64_t number, const History& history) {
  Read(history);
  return At(number).verdict;
}

Choice Pbt::Choose(std::int64_t number, const History& history) {
  Read(history);
  Choice choice = Plan(number);
  if (choice.kind == Choice::Kind::kClone) {
    const Random random(options_.seed, kPerturbStream | static_cast<std::uint64_t>(number));
    const Point donor = options_.space->Encode(history.At(choice.trial).params);
    choice.params =
        options_.space->Decode(Perturb(*options_.space, donor, options_.perturb, random));
  }
  return choice;
}

bool Pbt::NeedsCheckpoint(std::int64_t number, const History& history) {
  Read(history);
  if (At(number).paused) return true;
  return std::ranges::any_of(
      live_, [&](std::int64_t trial) { return At(trial).donor == number && !At(trial).committed; });
}

std::string Pbt::Explain(const History& history) {
  Read(history);
  const auto clones = std::ranges::count_if(members_, [](const Member& m) { return m.donor >= 0; });
  std::string text = "pbt: " + std::to_string(live_.size()) + " of " +
                     std::to_string(options_.population) + " members run or wait, " +
                     std::to_string(clones) + " of " + std::to_string(members_.size()) +
                     " trials are clones";
  for (const auto& [level, rung] : rungs_) {
    if (rung.empty()) continue;
    text += "; at " + std::to_string(level * options_.interval) + ": " +
            std::to_string(rung.size()) + " came there";
  }
  return text;
}

}  // namespace muster::tuner
