#include "tuner/schedulers/quantile.h"

#include <algorithm>
#include <cmath>

namespace muster::tuner {
namespace {

double Quantile(const Rung& rung, double quantile) {
  const double place = quantile * static_cast<double>(rung.size() - 1);
  const auto below = static_cast<std::size_t>(place);
  const double part = place - static_cast<double>(below);
  const double low = rung.At(below).loss;
  if (part == 0) return low;
  const double high = rung.At(below + 1).loss;
  if (low == high) return low;
  const double between = low * (1 - part) + high * part;
  return std::isnan(between) ? high : between;  // from -infinity to +infinity
}

}  // namespace

void QuantileRule::Read(const History& history) {
  std::vector<std::int64_t> finished;
  bool again = false;  // a trial that had ended was resumed
  for (; read_ < history.changes().size(); ++read_) {
    const Change& change = history.changes()[read_];
    const auto index = static_cast<std::size_t>(change.trial);
    if (change.kind == ChangeKind::kStart) ended_.push_back(false);
    if (change.kind == ChangeKind::kFinish) {
      ended_[index] = true;
      finished.push_back(change.trial);
    } else if (change.kind == ChangeKind::kResume && ended_[index]) {
      ended_[index] = false;
      again = true;
    }
  }
  if (again) {  // rare: everything anew, since its reports are other ones now
    forgotten_visits_ = visits();
    steps_.clear();
    complete_.clear();
    finished.clear();
    for (std::int64_t number = 0; number < history.size(); ++number) finished.push_back(number);
  }
  for (const std::int64_t number : finished) Count(number, history);
}

void QuantileRule::Count(std::int64_t number, const History& history) {
  const Trial& trial = history.At(number);
  if (trial.state != TrialState::kComplete || trial.broke()) return;
  complete_.push_back(number);
  auto report = trial.reports.begin();
  for (auto& [step, rung] : steps_) {
    while (report != trial.reports.end() && report->step < step) ++report;
    if (report == trial.reports.end()) return;
    rung.Insert({report->loss, number});
  }
}

Rung& QuantileRule::At(std::int64_t step, const History& history) {
  const auto [place, fresh] = steps_.try_emplace(step);
  if (!fresh) return place->second;
  for (const std::int64_t number : complete_) {
    const auto& reports = history.At(number).reports;
    const auto report = std::ranges::lower_bound(reports, step, {}, &Report::step);
    if (report != reports.end()) place->second.Insert({report->loss, number});
  }
  return place->second;
}

Verdict QuantileRule::Judge(std::int64_t number, const History& history) {
  Read(history);
  const Trial& trial = history.At(number);
  if (trial.reports.empty()) return Verdict::kContinue;
  const std::int64_t step = trial.reports.back().step;
  if (step <= options_.warmup_steps) return Verdict::kContinue;
  const Rung& rung = At(step, history);
  if (rung.empty() || static_cast<std::int64_t>(rung.size()) < options_.startup_trials) {
    return Verdict::kContinue;
  }
  const double best = best_.Of(number, history).loss;
  const bool worst = best == std::numeric_limits<double>::infinity();
  return worst || best > Quantile(rung, options_.quantile) ? Verdict::kStop : Verdict::kContinue;
}

std::string QuantileRule::Explain(const History& history) {
  Read(history);
  const auto pruned = std::ranges::count(history.trials(), TrialState::kPruned, &Trial::state);
  return options_.name + ": a trial goes on while its best is among the best " +
         ParamText(options_.quantile * 100) + " % of what complete ones had at its step; " +
         std::to_string(complete_.size()) + " complete, " + std::to_string(pruned) + " stopped";
}

std::uint64_t QuantileRule::visits() const {
  std::uint64_t sum = forgotten_visits_;
  for (const auto& [step, rung] : steps_) sum += rung.visits();
  return sum;
}

}  // namespace muster::tuner
