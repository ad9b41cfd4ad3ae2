#include "runtime/agent/hang.h"

#include <algorithm>

namespace muster::agent {
namespace {

using std::chrono::milliseconds;

// Quiet is not zero: a stuck program still has threads that look at a clock now and then.
constexpr double kQuietCpuShare = 0.02;  // of one CPU
constexpr double kQuietGpuShare = 0.02;  // of one GPU
constexpr double kQuietIoBytesPerSecond = 1024;
constexpr double kQuietSwitchesPerSecond = 25;  // a poll of 50 ms is waiting, not working
constexpr double kSpinCpuShare = 0.5;
constexpr double kSpinFaultsPerSecond = 20;  // real work touches new memory

constexpr std::size_t kStepTimesMost = 32;
constexpr std::size_t kRhythm = 5;  // steps until their time counts as regular
constexpr int kPatience = 10;       // median steps without one
constexpr int kPointsAWindow = 32;

double SecondsOf(milliseconds time) { return static_cast<double>(time.count()) / 1000; }

std::string Text(milliseconds time) {
  const std::int64_t tenths = time.count() / 100;
  return std::to_string(tenths / 10) + (tenths % 10 == 0 ? "" : "." + std::to_string(tenths % 10)) +
         " s";
}

std::string Others(std::size_t count) {
  return count == 1 ? "the other" : "the " + std::to_string(count) + " others";
}

}  // namespace

void HangWatch::Step(std::optional<int> rank, std::int64_t step, MonotonicTime now) {
  if (beating_) return;  // beats are finer
  if (rank) {
    auto [known, first] = rank_steps_.try_emplace(*rank, step);
    if (!first) known->second = std::max(known->second, step);
  }
  Advance(step, now);
}

void HangWatch::Advance(std::int64_t step, MonotonicTime now) {
  if (step_ && step <= *step_) return;
  if (step_) {
    step_times_.push_back(std::chrono::duration_cast<milliseconds>(now - step_at_));
    if (step_times_.size() > kStepTimesMost) step_times_.pop_front();
  }
  step_ = step;
  step_at_ = now;
}

void HangWatch::Observe(const std::vector<RankSample>& samples, MonotonicTime now) {
  if (!observed_ && !step_) step_at_ = now;
  const MonotonicTime before = observed_ ? now_ : now;
  observed_ = true;
  now_ = now;
  std::map<int, Rank> living;
  for (const RankSample& sample : samples) {
    const auto known = ranks_.find(sample.rank);
    Rank& rank = living[sample.rank];
    if (known != ranks_.end()) {
      rank = std::move(known->second);
      const auto grown = [](std::int64_t later, std::int64_t earlier) {
        return std::max<std::int64_t>(0, later - earlier);
      };
      rank.used.cpu_ms += grown(sample.cpu_ms, rank.last.cpu_ms);
      rank.used.ready_ms += grown(sample.ready_ms, rank.last.ready_ms);
      rank.used.io_bytes += grown(sample.io_bytes, rank.last.io_bytes);
      rank.used.switches += grown(sample.switches, rank.last.switches);
      rank.used.faults += grown(sample.faults, rank.last.faults);
      rank.used.gpu_ms += grown(sample.gpu_ms, rank.last.gpu_ms);
    }
    if (!sample.stopped) rank.stopped_at.reset();
    if (sample.stopped && !rank.stopped_at) rank.stopped_at = before;
    rank.last = sample;
    if (rank.points.empty() || now - rank.points.back().first >= limits_.after / kPointsAWindow)
      rank.points.emplace_back(now, rank.used);
    const MonotonicTime oldest = now - std::max(limits_.after, limits_.first);
    while (rank.points.size() > 1 && rank.points[1].first <= oldest) rank.points.pop_front();
  }
  ranks_ = std::move(living);
  FollowBeats(now);
}

void HangWatch::ObserveBeats(const std::vector<RankSample>& samples, MonotonicTime now) {
  for (const RankSample& sample : samples) {
    const auto rank = ranks_.find(sample.rank);
    if (rank != ranks_.end()) rank->second.last.beat = sample.beat;
  }
  FollowBeats(now);
}

void HangWatch::FollowBeats(MonotonicTime now) {
  const bool beat = !ranks_.empty() && std::ranges::all_of(ranks_, [](const auto& entry) {
    return entry.second.last.beat.has_value();
  });
  if (beat != beating_) {  // what was known is of another unit
    step_.reset();
    step_times_.clear();
    rank_steps_.clear();
  }
  beating_ = beat;
  if (!beating_) return;
  for (const auto& [number, rank] : ranks_) rank_steps_[number] = rank.last.beat->count;
  Advance(NewestBeat().count, now);
}

/// Of a gang that beats.
const Beat& HangWatch::NewestBeat() const {
  const auto newest = std::ranges::max_element(
      ranks_, {}, [](const auto& entry) { return entry.second.last.beat->count; });
  return *newest->second.last.beat;
}

std::optional<HangWatch::Used> HangWatch::UsedIn(const Rank& rank, milliseconds window) const {
  const auto later = std::ranges::find_if(
      rank.points, [&](const auto& point) { return point.first > now_ - window; });
  if (later == rank.points.begin()) return std::nullopt;
  const Used& before = std::prev(later)->second;
  return Used{.cpu_ms = rank.used.cpu_ms - before.cpu_ms,
              .ready_ms = rank.used.ready_ms - before.ready_ms,
              .io_bytes = rank.used.io_bytes - before.io_bytes,
              .switches = rank.used.switches - before.switches,
              .faults = rank.used.faults - before.faults,
              .gpu_ms = rank.used.gpu_ms - before.gpu_ms};
}

bool HangWatch::IsQuiet(const Rank& rank, milliseconds window) const {
  const auto used = UsedIn(rank, window);
  const double seconds = SecondsOf(window);
  return used && static_cast<double>(used->cpu_ms) <= kQuietCpuShare * 1000 * seconds &&
         static_cast<double>(used->gpu_ms) <= kQuietGpuShare * 1000 * seconds &&
         static_cast<double>(used->io_bytes) <= kQuietIoBytesPerSecond * seconds &&
         static_cast<double>(used->switches) <= kQuietSwitchesPerSecond * seconds;
}

bool HangWatch::IsSpinning(const Rank& rank, milliseconds window) const {
  const auto used = UsedIn(rank, window);
  const double seconds = SecondsOf(window);
  if (!used) return false;
  const std::int64_t busy_ms = std::max(used->cpu_ms + used->ready_ms, used->gpu_ms);
  return static_cast<double>(busy_ms) >= kSpinCpuShare * 1000 * seconds &&
         static_cast<double>(used->io_bytes) <= kQuietIoBytesPerSecond * seconds &&
         static_cast<double>(used->faults) <= kSpinFaultsPerSecond * seconds;
}

template <typename Predicate>
HangWatch::Ranks HangWatch::Select(Predicate predicate) const {
  Ranks selected;
  for (const auto& [number, rank] : ranks_) {
    if (predicate(number, rank)) selected.push_back(number);
  }
  return selected;
}

/// Ranks whose own step is below the others'; none unless every living rank says its own.
HangWatch::Ranks HangWatch::Behind() const {
  std::int64_t newest = 0;
  for (const auto& [number, rank] : ranks_) {
    const auto step = rank_steps_.find(number);
    if (step == rank_steps_.end()) return {};
    newest = std::max(newest, step->second);
  }
  return Select([&](int number, const Rank&) { return rank_steps_.at(number) < newest; });
}

milliseconds HangWatch::MedianStep() const {
  std::vector<milliseconds> times(step_times_.begin(), step_times_.end());
  const auto middle = times.begin() + static_cast<std::ptrdiff_t>(times.size() / 2);
  std::ranges::nth_element(times, middle);
  return *middle;
}

std::string HangWatch::AtStep() const {
  if (beating_) return " at " + TextOf(NewestBeat());
  return step_ ? " at step " + std::to_string(*step_) : "";
}

std::optional<Hang> HangWatch::Judge() const {
  if (ranks_.empty()) return std::nullopt;
  const Ranks stopped = Select([&](int, const Rank& rank) {
    return rank.stopped_at && now_ - *rank.stopped_at >= limits_.after &&
           IsQuiet(rank, limits_.after);
  });
  if (!stopped.empty()) {
    const std::size_t others = ranks_.size() - stopped.size();
    return Hang{stopped, "stopped (state T) for " + Text(limits_.after) + AtStep() +
                             (others > 0 ? " while " + Others(others) + " went on" : "")};
  }
  if (now_ - step_at_ < limits_.after) return std::nullopt;
  if (auto hang = JudgeBeats()) return hang;
  if (auto hang = JudgeWaits(step_ ? limits_.after : limits_.first)) return hang;
  return JudgeRhythm();
}

/// Steps came regularly, and none for long.
bool HangWatch::IsLate() const {
  return step_times_.size() >= kRhythm && now_ - step_at_ >= kPatience * MedianStep();
}

/// Rule 3. A rank that loads or writes, or touches new memory, is left alone: a checkpoint takes its time.
std::optional<Hang> HangWatch::JudgeBeats() const {
  const Ranks behind = Behind();
  if (!beating_ || behind.empty()) return std::nullopt;
  const bool still = std::ranges::all_of(behind, [this](int number) {
    const Rank& rank = ranks_.at(number);
    return IsQuiet(rank, limits_.after) || (IsLate() && IsSpinning(rank, limits_.after));
  });
  if (!still) return std::nullopt;
  const std::size_t others = ranks_.size() - behind.size();
  return Hang{behind, "no beat for " + Text(limits_.after) + " at " +
                          TextOf(*ranks_.at(behind.front()).last.beat) + " while " +
                          Others(others) + (others == 1 ? " waits at " : " wait at ") +
                          TextOf(NewestBeat())};
}

/// Rules 4 and 5.
std::optional<Hang> HangWatch::JudgeWaits(milliseconds window) const {
  const Ranks quiet = Select([&](int, const Rank& rank) { return IsQuiet(rank, window); });
  const std::string idle = "no activity for " + Text(window) + AtStep();
  if (quiet.size() == ranks_.size()) {
    const Ranks behind = Behind();
    if (behind.empty()) return Hang{quiet, ranks_.size() > 1 ? idle + " of any rank" : idle};
    return Hang{behind, idle + ", behind " + Others(ranks_.size() - behind.size())};
  }
  // A gang most of which spins waits for the rest of it, whatever the program is.
  const Ranks still = Select([&](int, const Rank& rank) { return IsQuiet(rank, limits_.after); });
  const std::size_t busy = ranks_.size() - still.size();
  const bool few = still.size() < busy;
  const Ranks blamed = few ? still : quiet;
  const milliseconds seen = few ? limits_.after : window;
  if (blamed.empty() || blamed.size() > ranks_.size() - blamed.size()) return std::nullopt;
  const bool spins = std::ranges::all_of(ranks_, [&](const auto& entry) {
    return std::ranges::count(blamed, entry.first) != 0 || IsSpinning(entry.second, seen);
  });
  if (!spins) return std::nullopt;
  return Hang{blamed, "no activity for " + Text(seen) + AtStep() + " while " +
                          Others(ranks_.size() - blamed.size()) +
                          (ranks_.size() - blamed.size() == 1 ? " spins" : " spin")};
}

/// Rule 6.
std::optional<Hang> HangWatch::JudgeRhythm() const {
  const auto silent = std::chrono::duration_cast<milliseconds>(now_ - step_at_);
  if (!IsLate() || silent < limits_.first) return std::nullopt;
  const milliseconds median = MedianStep();
  const std::string late =
      "no step for " + Text(silent) + AtStep() + ", where a step took " + Text(median);
  Ranks blamed = Behind();
  if (!blamed.empty())
    return Hang{blamed, late + "; behind " + Others(ranks_.size() - blamed.size())};
  const Ranks quiet = Select([&](int, const Rank& rank) { return IsQuiet(rank, limits_.after); });
  const Ranks busy = Select([&](int, const Rank& rank) { return !IsQuiet(rank, limits_.after); });
  if (quiet.size() == busy.size() || quiet.empty())
    return Hang{Select([](int, const Rank&) { return true; }), late + "; CPU is used"};
  const bool few_busy = busy.size() < quiet.size();
  return Hang{few_busy ? busy : quiet, late + (few_busy ? "; busy while " : "; idle while ") +
                                           Others(few_busy ? quiet.size() : busy.size()) +
                                           (few_busy ? " wait" : " use CPU")};
}

}  // namespace muster::agent
