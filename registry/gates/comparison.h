#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "registry/evaluation.h"
#include "registry/statistics/interval.h"

/// A figure of rows with what is known of its error, and two models' figures on the same rows. Each figure gets what
/// suits it: a rate Wilson's and Tango's intervals, a mean over rows a bootstrap of its values (Student's above
/// kRowsOfBootstrap rows), anything else a bootstrap of rows. Pure.

namespace muster::registry::gates {

inline constexpr std::int64_t kRowsOfBootstrap = 100'000;

/// What is asked of which rows. The spans and references must outlive it.
struct Question {
  std::string_view metric;
  const Evaluation& evaluation;
  std::span<const std::int64_t> rows;
  double confidence = 0.95;
  std::uint64_t seed = 0;
};

struct Estimate {
  double figure = 0;
  statistics::Interval interval;
  std::string method;
};
/// kInvalid as ComputeMetric; so below.
Result<Estimate> EstimateFigure(const Question& of, const std::vector<float>& outputs);

/// How much better `candidate` is than `other`; a positive gain is better whatever the metric's direction.
struct Comparison {
  double candidate = 0, other = 0;  ///< figures
  double gain = 0;
  statistics::Interval interval;  ///< of the gain
  std::string method;
  std::optional<double> mcnemar;  ///< exact two-sided p of no difference; of rates
};
Result<Comparison> Compare(const Question& of, const std::vector<float>& candidate,
                           const std::vector<float>& other);

/// Two-sided p of H0: the gain over `other` is `bound`; without `other`: the figure is. Exact or Tango's of rates,
/// Student's of means; nothing for a figure that is no mean over rows.
struct RowTest {
  double value = 0;  ///< the gain, or the figure
  double p = 1;
};
Result<std::optional<RowTest>> TestRows(const Question& of, const std::vector<float>& candidate,
                                        const std::vector<float>* other, double bound);

}  // namespace muster::registry::gates
