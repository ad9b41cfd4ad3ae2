#include "registry/statistics/sequential.h"

#include <algorithm>
#include <cmath>

#include "runtime/base/check.h"

namespace muster::registry::statistics {
namespace {

/// Rates of alternatives stay this far from 0 and 1: no outcome is impossible.
constexpr double kLeastRate = 1e-4;
/// Outcomes of the rarer side that make a block: evidence is lost where a block holds unlike numbers of both.
constexpr std::int64_t kBlock = 8;
constexpr double kMultiples[] = {1, 2, 4, 8};
constexpr double kFirstWeight = 0.5;

double LogBeta(double a, double b) { return std::lgamma(a) + std::lgamma(b) - std::lgamma(a + b); }

/// log sum of weights x exp(logs): half on the first, the rest alike.
double Mixed(const std::vector<double>& logs) {
  const double largest = *std::ranges::max_element(logs);
  const double rest = (1 - kFirstWeight) / static_cast<double>(logs.size() - 1);
  double sum = 0;
  for (std::size_t i = 0; i < logs.size(); ++i) {
    sum += (i == 0 ? kFirstWeight : rest) * std::exp(logs[i] - largest);
  }
  return largest + std::log(sum);
}

double LogLikelihoodRatio(const Rate& count, double rate, double null) {
  const auto yes = static_cast<double>(count.successes);
  const auto no = static_cast<double>(count.trials - count.successes);
  return yes * std::log(rate / null) + no * std::log((1 - rate) / (1 - null));
}

Rate Sum(const Rate& a, const Rate& b) { return {a.successes + b.successes, a.trials + b.trials}; }

double Clamped(double rate) { return std::clamp(rate, kLeastRate, 1 - kLeastRate); }

}  // namespace

Interval SequentialInterval(std::int64_t successes, std::int64_t trials, double confidence) {
  MUSTER_CHECK(successes >= 0 && successes <= trials, "a rate is a share of trials");
  if (trials == 0) return {0, 1, confidence};
  const auto yes = static_cast<double>(successes), no = static_cast<double>(trials - successes);
  const double mixture = LogBeta(yes + 0.5, no + 0.5) - LogBeta(0.5, 0.5);
  const double bound = -std::log(1 - confidence);
  const auto refused = [&](double rate) {
    const double likelihood =
        (yes == 0 ? 0 : yes * std::log(rate)) + (no == 0 ? 0 : no * std::log1p(-rate));
    return mixture - likelihood >= bound;
  };
  // The mixture's ratio is convex in the rate, and lowest where the rate is what was seen.
  const auto end = [&](double outside, double inside) {
    if (!refused(outside)) return outside;
    for (int i = 0; i < 60; ++i) {
      const double middle = (outside + inside) / 2;
      (refused(middle) ? outside : inside) = middle;
    }
    return outside;
  };
  const double seen = yes / static_cast<double>(trials);
  return {end(0, seen), end(1, seen), confidence};
}

// --- LossTest ----------------------------------------------------------------------------------------

LossTest::LossTest(double loss) {
  MUSTER_CHECK(loss > 0 && loss < 0.5, "a loss is a difference of rates");
  for (const double multiple : kMultiples) losses_.push_back(std::min(loss * multiple, 0.9));
  log_evidence_.assign(losses_.size(), 0);
}

void LossTest::AddChampion(bool success) { Add(block_champion_, success); }

void LossTest::AddChallenger(bool success) { Add(block_challenger_, success); }

void LossTest::Add(Rate& count, bool success) {
  count.successes += success ? 1 : 0;
  ++count.trials;
  if (std::min(block_champion_.trials, block_challenger_.trials) >= kBlock) CloseBlock();
}

void LossTest::CloseBlock() {
  // The alternative comes from earlier blocks alone: their rate of all, halves added for none.
  const auto champions = static_cast<double>(champion_.trials) + 1;
  const auto challengers = static_cast<double>(challenger_.trials) + 1;
  const double all = champions + challengers;
  const double rate = (static_cast<double>(champion_.successes + challenger_.successes) + 1) / all;
  const auto a = static_cast<double>(block_champion_.trials);
  const auto b = static_cast<double>(block_challenger_.trials);
  for (std::size_t i = 0; i < losses_.size(); ++i) {
    const double good = Clamped(rate + losses_[i] * challengers / all);
    const double bad = Clamped(good - losses_[i]);
    const double null = (a * good + b * bad) / (a + b);
    log_evidence_[i] += LogLikelihoodRatio(block_champion_, good, null) +
                        LogLikelihoodRatio(block_challenger_, bad, null);
  }
  champion_ = champion();
  challenger_ = challenger();
  block_champion_ = block_challenger_ = {};
}

double LossTest::evidence() const { return std::exp(Mixed(log_evidence_)); }

Rate LossTest::champion() const { return Sum(champion_, block_champion_); }

Rate LossTest::challenger() const { return Sum(challenger_, block_challenger_); }

// --- ExceedanceTest ----------------------------------------------------------------------------------

ExceedanceTest::ExceedanceTest(double limit) : limit_(limit) {
  MUSTER_CHECK(limit > 0 && limit < 1, "a limit is a rate");
  for (const double multiple : {1.5, 2.0, 4.0, 8.0}) {
    rates_.push_back(std::min(limit * multiple, (1 + limit) / 2));
  }
}

void ExceedanceTest::Add(bool event) {
  events_.successes += event ? 1 : 0;
  ++events_.trials;
}

double ExceedanceTest::evidence() const {
  std::vector<double> logs;
  logs.reserve(rates_.size());
  for (const double rate : rates_) logs.push_back(LogLikelihoodRatio(events_, rate, limit_));
  return std::exp(Mixed(logs));
}

}  // namespace muster::registry::statistics
