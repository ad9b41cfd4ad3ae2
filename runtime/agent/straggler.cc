#include "runtime/agent/straggler.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace muster::agent {
namespace {

double Median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::ranges::nth_element(values, middle);
  return *middle;
}

std::string Percent(double share) { return std::to_string(std::lround(share * 100)) + " %"; }

}  // namespace

std::optional<Straggler> StragglerWatch::Observe(const std::vector<RankSample>& samples,
                                                 MonotonicTime now) {
  const bool beats = samples.size() > 1 && std::ranges::all_of(samples, [](const RankSample& one) {
                       return one.beat.has_value();
                     });
  if (beats) {
    if (auto slow = ObserveBeats(samples, now)) return slow;
  } else {
    looks_ = 0;
    suspect_.reset();
  }
  return ObserveCpu(samples, now);
}

std::optional<Straggler> StragglerWatch::ObserveCpu(const std::vector<RankSample>& samples,
                                                    MonotonicTime now) {
  if (!cpu_ms_.empty() && now - begin_ < window_) return std::nullopt;
  std::map<int, double> shares;
  const double window_ms = std::chrono::duration<double, std::milli>(now - begin_).count();
  std::map<int, std::int64_t> cpu_ms;
  for (const RankSample& sample : samples) {
    cpu_ms[sample.rank] = sample.cpu_ms;
    const auto before = cpu_ms_.find(sample.rank);
    if (before != cpu_ms_.end())
      shares[sample.rank] = static_cast<double>(sample.cpu_ms - before->second) / window_ms;
  }
  const bool whole = shares.size() == cpu_ms_.size() && steps_ >= kStepsLeast;
  cpu_ms_ = std::move(cpu_ms);
  begin_ = now;
  steps_ = 0;
  if (!whole || shares.size() < 2) return std::nullopt;
  auto slowest = Slowest(shares);
  if (slowest && !named_.insert(slowest->rank).second) slowest.reset();
  return slowest;
}

std::optional<Straggler> StragglerWatch::ObserveBeats(const std::vector<RankSample>& samples,
                                                      MonotonicTime now) {
  const auto count = [](const RankSample& sample) { return sample.beat->count; };
  const auto last = std::ranges::min_element(samples, {}, count);
  const std::int64_t step = std::ranges::max(samples, {}, count).beat->step;
  if (looks_ == 0) {
    looks_from_ = now;
    first_step_ = step_ = step;
    last_.clear();
  }
  steps_ += step - std::exchange(step_, step);
  ++looks_;
  if (std::ranges::count(samples, count(*last), count) == 1) ++last_[last->rank];
  if (now - looks_from_ < window_) return std::nullopt;
  auto slow = OftenLast(step - first_step_);
  const std::optional<int> before = std::exchange(suspect_, std::nullopt);
  if (slow) suspect_ = slow->rank;
  looks_ = 0;
  if (!slow || before != slow->rank || !named_.insert(slow->rank).second) return std::nullopt;
  return slow;
}

std::optional<Straggler> StragglerWatch::OftenLast(std::int64_t steps) const {
  if (steps < kStepsLeast || looks_ < kLooksLeast || last_.empty()) return std::nullopt;
  const auto most =
      std::ranges::max_element(last_, {}, [](const auto& entry) { return entry.second; });
  int next = 0;
  for (const auto& [rank, times] : last_) {
    if (rank != most->first) next = std::max(next, times);
  }
  const double share = static_cast<double>(most->second) / looks_;
  if (share < kLastLeast || most->second < kLastRatio * next) return std::nullopt;
  return Straggler{most->first, "behind all others in " + Percent(share) + " of the looks over " +
                                    std::to_string(steps) + " steps: they wait for it"};
}

std::optional<Straggler> StragglerWatch::Slowest(const std::map<int, double>& shares) {
  const auto busiest = std::ranges::max_element(
      shares, [](const auto& one, const auto& other) { return one.second < other.second; });
  std::vector<double> others;
  for (const auto& [rank, share] : shares) {
    if (rank != busiest->first) others.push_back(share);
  }
  const double median = Median(std::move(others));
  if (busiest->second < kShareLeast || busiest->second <= kRatio * median) return std::nullopt;
  return Straggler{busiest->first, "busy " + Percent(busiest->second) +
                                       " of a minute of steps, the others " + Percent(median) +
                                       ": they wait for it"};
}

}  // namespace muster::agent
