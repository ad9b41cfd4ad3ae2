#include "runtime/agent/straggler.h"

#include <algorithm>
#include <cmath>

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
  if (!cpu_ms_.empty() && now - begin_ < kWindow) return std::nullopt;
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
