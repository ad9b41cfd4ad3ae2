#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <limits>

#include "tracker/rules.h"

namespace muster::tracker {
namespace {

constexpr std::size_t kMostTraced = 1'024;  // values of a metric that are kept to compare with
constexpr std::size_t kMostIntervals = 33;  // whose median is taken
constexpr std::size_t kLeastIntervals = 5;
constexpr double kNothing = std::numeric_limits<double>::quiet_NaN();

std::string Short(double number) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.6g", number);
  return text.data();
}

/// Of at least one.
double Median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::ranges::nth_element(values, middle);
  if (values.size() % 2 != 0) return *middle;
  return (*std::max_element(values.begin(), middle) + *middle) / 2;
}

bool IsWorse(const Rule& rule, double value, double than) {
  return rule.less_is_worse ? value < than : value > than;
}

bool IsOf(const Rule& rule, std::string_view experiment_id, std::string_view metric) {
  return (rule.experiment_id.empty() || rule.experiment_id == experiment_id) &&
         (rule.metric.empty() || rule.metric == metric);
}

Finding FindingOf(const Rule& rule, const RunId& id, const std::string& experiment_id,
                  std::string metric, double value, double bound, std::string why) {
  Finding finding{.rule = rule.name,
                  .run = id,
                  .experiment_id = experiment_id,
                  .metric = std::move(metric),
                  .value = value,
                  .bound = bound};
  finding.text = "rule " + rule.name + ": metric " + finding.metric + " of run " + id.value + " " +
                 std::move(why);
  return finding;
}

}  // namespace

void RuleEngine::Trace::Add(std::int64_t step, double value) {
  last = {step, value};
  if (skipped++ % stride != 0) return;
  values.push_back(last);
  if (values.size() < kMostTraced) return;
  std::size_t kept = 0;
  for (std::size_t i = 0; i < values.size(); i += 2) values[kept++] = values[i];
  values.resize(kept);
  stride *= 2;
}

void RuleEngine::Trace::CutAt(std::int64_t step) {
  std::erase_if(values, [&](const Place& place) { return place.first >= step; });
  if (!values.empty()) last = values.back();
}

std::optional<double> RuleEngine::Trace::At(std::int64_t step) const {
  if (values.empty() || step > last.first) return std::nullopt;
  const auto after = std::ranges::upper_bound(values, step, {}, &Place::first);
  if (after == values.begin()) return std::nullopt;
  const Place left = *std::prev(after);
  const Place right = after != values.end() ? *after : last;
  if (right.first <= left.first) return left.second;
  const double share =
      static_cast<double>(step - left.first) / static_cast<double>(right.first - left.first);
  return left.second + share * (right.second - left.second);
}

bool RuleEngine::Watches(std::string_view experiment_id, std::string_view metric) const {
  return std::ranges::any_of(rules_,
                             [&](const Rule& rule) { return IsOf(rule, experiment_id, metric); });
}

RuleEngine::SeenRun& RuleEngine::Touch(const RunId& id, const std::string& experiment_id) {
  if (!runs_.contains(id) && runs_.size() >= kMostRuns) {
    runs_.erase(std::ranges::min_element(runs_, {},
                                         [](const auto& entry) { return entry.second.last_use; }));
  }
  SeenRun& run = runs_[id];
  run.experiment_id = experiment_id;
  run.last_use = ++uses_;
  return run;
}

std::vector<Finding> RuleEngine::Observe(const RunId& run, const std::string& experiment_id,
                                         std::span<const Metric> points, UnixMillis now) {
  std::vector<Finding> findings;
  SeenRun* seen = nullptr;
  for (const Metric& point : points) {
    if (!Watches(experiment_id, point.key)) continue;
    if (seen == nullptr) seen = &Touch(run, experiment_id);
    Series& series = seen->metrics[point.key];
    if (point.attempt > series.attempt) {  // it goes on from an earlier step
      series.attempt = point.attempt;
      series.newest.reset();
      series.trace.CutAt(point.step);
      seen->ended = false;
    }
    const std::pair<std::int64_t, std::int64_t> place{point.step, point.timestamp_ms};
    const bool fresh = !series.newest || place > *series.newest;
    if (fresh) {
      series.newest = place;
      if (std::isfinite(point.value)) series.trace.Add(point.step, point.value);
      if (series.last_came != 0 && now > series.last_came) {
        if (series.intervals_ms.size() >= kMostIntervals) {
          series.intervals_ms.erase(series.intervals_ms.begin());
        }
        series.intervals_ms.push_back(now - series.last_came);
      }
      series.last_came = now;
    }
    for (const Rule& rule : rules_) {
      if (!IsOf(rule, experiment_id, point.key)) continue;
      if (!fresh && rule.kind != RuleKind::kNan) continue;
      Watch& watch = series.watches[rule.name];
      if (watch.found) continue;
      if (auto finding = Judge(rule, run, *seen, watch, point)) {
        watch.found = true;
        finding->step = point.step;
        finding->time_ms = point.timestamp_ms;
        findings.push_back(std::move(*finding));
      }
    }
  }
  return findings;
}

std::optional<Finding> RuleEngine::Judge(const Rule& rule, const RunId& id, const SeenRun& run,
                                         Watch& watch, const Metric& point) const {
  const double value = point.value;
  const auto found = [&](double seen, double bound, const std::string& why) {
    return FindingOf(rule, id, run.experiment_id, point.key, seen, bound,
                     why + " at step " + std::to_string(point.step));
  };
  const auto in_a_row = [&](bool bad) {
    watch.in_a_row = bad ? watch.in_a_row + 1 : 0;
    return watch.in_a_row >= rule.points;
  };
  const std::string row =
      rule.points > 1 ? ", " + std::to_string(rule.points) + " times in a row," : "";
  const std::string side = rule.less_is_worse ? " below " : " above ";
  if (rule.kind == RuleKind::kNan) {
    if (std::isfinite(value)) return std::nullopt;
    return found(value, kNothing, "is " + Short(value));
  }
  if (std::isnan(value)) return std::nullopt;  // kNan's
  switch (rule.kind) {
    case RuleKind::kThreshold:
      if (!in_a_row(IsWorse(rule, value, rule.bound))) return std::nullopt;
      return found(value, rule.bound, "is " + Short(value) + row + side + Short(rule.bound));
    case RuleKind::kDivergence: {
      ++watch.values;
      if (!watch.best || IsWorse(rule, *watch.best, value)) watch.best = value;
      const double room = (rule.bound - 1) * std::abs(*watch.best);
      const double bound = *watch.best + (rule.less_is_worse ? -room : room);
      const bool bad = IsWorse(rule, value, bound) && watch.values > rule.least;
      if (!in_a_row(bad)) return std::nullopt;
      return found(
          value, bound,
          "is " + Short(value) + row + side + Short(bound) + ", its best is " + Short(*watch.best));
    }
    case RuleKind::kPlateau: {
      const double room = rule.less_is_worse ? rule.bound : -rule.bound;
      if (!watch.best || IsWorse(rule, *watch.best + room, value)) {
        watch.best = value;
        watch.since_best = 0;
        return std::nullopt;
      }
      if (++watch.since_best < rule.points) return std::nullopt;
      return found(value, *watch.best + room,
                   "got no better than " + Short(*watch.best) + " by more than " +
                       Short(rule.bound) + " within " + std::to_string(rule.points) + " values,");
    }
    case RuleKind::kZScore: {
      const auto deviations = Deviations(rule, id, run, point);
      if (!in_a_row(deviations && *deviations > rule.bound)) return std::nullopt;
      return found(*deviations, rule.bound,
                   "is " + Short(value) + row + " " + Short(*deviations) +
                       " robust deviations worse than the other runs' median, bound " +
                       Short(rule.bound) + ",");
    }
    case RuleKind::kNan:
    case RuleKind::kStuck:
      break;
  }
  return std::nullopt;
}

/// How much worse than the other runs of the experiment; nothing when too few have come so far.
std::optional<double> RuleEngine::Deviations(const Rule& rule, const RunId& id, const SeenRun& run,
                                             const Metric& point) const {
  std::vector<double> others;
  for (const auto& [other, seen] : runs_) {
    if (other == id || seen.experiment_id != run.experiment_id) continue;
    const auto metric = seen.metrics.find(point.key);
    if (metric == seen.metrics.end()) continue;
    if (const auto value = metric->second.trace.At(point.step)) others.push_back(*value);
  }
  if (static_cast<std::int64_t>(others.size()) < rule.least) return std::nullopt;
  const double median = Median(others);
  for (double& value : others) value = std::abs(value - median);
  // Runs that agree to the last digit would make anything an outlier.
  const double spread = std::max(1.4826 * Median(std::move(others)), 1e-6 * std::abs(median));
  const double worse = rule.less_is_worse ? median - point.value : point.value - median;
  if (worse <= 0) return 0;
  return spread > 0 ? worse / spread : std::numeric_limits<double>::infinity();
}

std::vector<Finding> RuleEngine::Tick(UnixMillis now) {
  std::vector<Finding> findings;
  for (auto& [id, run] : runs_) {
    if (run.ended) continue;
    for (auto& [key, series] : run.metrics) {
      if (series.intervals_ms.size() < kLeastIntervals) continue;
      for (const Rule& rule : rules_) {
        if (rule.kind != RuleKind::kStuck || !IsOf(rule, run.experiment_id, key)) continue;
        Watch& watch = series.watches[rule.name];
        if (watch.found) continue;
        const double median_s =
            Median({series.intervals_ms.begin(), series.intervals_ms.end()}) / 1000;
        const double bound = std::max(rule.bound * median_s, static_cast<double>(rule.least));
        const double silence = static_cast<double>(now - series.last_came) / 1000;
        if (silence <= bound) continue;
        watch.found = true;
        findings.push_back(FindingOf(
            rule, id, run.experiment_id, key, silence, bound,
            "brought nothing for " + Short(silence) + " s, bound " + Short(bound) + " s"));
        findings.back().time_ms = now;
        if (series.newest) findings.back().step = series.newest->first;
      }
    }
  }
  return findings;
}

void RuleEngine::End(const RunId& run) {
  const auto found = runs_.find(run);
  if (found != runs_.end()) found->second.ended = true;
}

}  // namespace muster::tracker
