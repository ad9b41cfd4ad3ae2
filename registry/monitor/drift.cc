#include "registry/monitor/drift.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "registry/statistics/hypothesis.h"

namespace muster::registry::monitor {
namespace {

/// Without the part that chance adds in the mean; both are lengths, whose squares add.
double Corrected(double value, double chance) {
  return std::sqrt(std::max(0.0, value * value - chance * chance));
}

Effect WassersteinEffect(const NumberPair& pair, double confidence) {
  if (!(pair.std > 0)) {
    // Of a constant: it is that, or it is as far away as can be.
    const double value =
        pair.distance.wasserstein > 0 ? std::numeric_limits<double>::infinity() : 0;
    return {value, value, {value, value, confidence}};
  }
  const double value = pair.distance.wasserstein / pair.std;
  const double corrected = Corrected(value, pair.distance.wasserstein_chance / pair.std);
  const double half =
      statistics::NormalQuantile(confidence) * pair.distance.wasserstein_error / pair.std;
  return {value, corrected, {std::max(0.0, corrected - half), value + half, confidence}};
}

Effect KolmogorovSmirnovEffect(const NumberPair& pair, double confidence) {
  const auto n = static_cast<double>(pair.reference_rows);
  const auto m = static_cast<double>(pair.current_rows);
  const double value = pair.distance.kolmogorov_smirnov;
  // The mean of Kolmogorov's distribution is sqrt(pi / 2) ln 2.
  const double chance = 0.8687311606361592 * std::sqrt(1 / n + 1 / m);
  // Each side's band leaves half of what the two leave together.
  const double band = std::sqrt(std::log(4 / (1 - confidence)) / 2);
  const double half = band / std::sqrt(n) + band / std::sqrt(m) + pair.rank_error;
  return {value,
          Corrected(value, chance),
          {std::max(0.0, value - half), std::min(1.0, value + half), confidence}};
}

std::int64_t Rows(std::span<const std::int64_t> counts) {
  return std::accumulate(counts.begin(), counts.end(), std::int64_t{0});
}

ColumnDrift DriftOf(const Histograms& bins, const DriftSpec& spec) {
  ColumnDrift drift;
  drift.reference_rows = Rows(bins.reference);
  drift.current_rows = Rows(bins.current);
  for (Effect* effect : {&drift.wasserstein, &drift.kolmogorov_smirnov, &drift.l_infinity}) {
    *effect = NoEffect(spec.confidence);
  }
  drift.stability = PopulationStability(bins.reference, bins.current, spec.confidence);
  drift.jensen_shannon = JensenShannon(bins.reference, bins.current, spec.confidence);
  return drift;
}

}  // namespace

Status CheckDriftSpec(const DriftSpec& spec) {
  const auto within = [](std::string_view name, double value, double above, double most) -> Status {
    if (value > above && value <= most) return Ok();
    return Invalid("at " + std::string(name) + ": wanted a number above " + std::to_string(above) +
                   ", at most " + std::to_string(most) + ", got " + std::to_string(value));
  };
  MUSTER_RETURN_IF_ERROR(within("alpha", spec.alpha, 0, 0.5));
  MUSTER_RETURN_IF_ERROR(within("confidence", spec.confidence, 0.5, 0.9999));
  MUSTER_RETURN_IF_ERROR(within("number_bound", spec.number_bound, 0, 1e6));
  MUSTER_RETURN_IF_ERROR(within("category_bound", spec.category_bound, 0, 1));
  MUSTER_RETURN_IF_ERROR(within("set_share", spec.set_share, 0, 1));
  if (spec.rows_least < 1) return Invalid("at rows_least: wanted 1 or more");
  return Ok();
}

NumberPair Compare(const Cdf& reference, const Cdf& current, double std) {
  return {Distance(reference, current), reference.count, current.count, std,
          reference.rank_error + current.rank_error};
}

ColumnDrift NumberDrift(const NumberPair& pair, const Histograms& bins, const DriftSpec& spec) {
  ColumnDrift drift = DriftOf(bins, spec);
  drift.reference_rows = pair.reference_rows;
  drift.current_rows = pair.current_rows;
  drift.wasserstein = WassersteinEffect(pair, spec.confidence);
  drift.kolmogorov_smirnov = KolmogorovSmirnovEffect(pair, spec.confidence);
  drift.measure = "wasserstein";
  drift.test = "kolmogorov_smirnov";
  drift.bound = spec.number_bound;
  const auto n = static_cast<double>(pair.reference_rows);
  const auto m = static_cast<double>(pair.current_rows);
  drift.p = KolmogorovUpperTail(std::sqrt(n * m / (n + m)) *
                                std::max(0.0, pair.distance.kolmogorov_smirnov - pair.rank_error));
  return drift;
}

ColumnDrift CategoryDrift(const Histograms& categories, const DriftSpec& spec) {
  ColumnDrift drift = DriftOf(categories, spec);
  drift.l_infinity = LInfinity(categories.reference, categories.current, spec.confidence);
  drift.measure = "jensen_shannon";
  drift.test = "chi_square";
  drift.bound = spec.category_bound;
  drift.p = Homogeneity(categories.reference, categories.current).p;
  return drift;
}

SetDrift Judge(std::vector<ColumnDrift>& columns, const DriftSpec& spec) {
  std::vector<ColumnDrift*> judged;
  std::vector<double> p;
  for (ColumnDrift& column : columns) {
    if (std::min(column.reference_rows, column.current_rows) < spec.rows_least) continue;
    judged.push_back(&column);
    p.push_back(column.p);
  }
  const std::vector<double> adjusted = statistics::HolmAdjusted(p);
  SetDrift set{.columns = judged.size()};
  for (std::size_t i = 0; i < judged.size(); ++i) {
    ColumnDrift& column = *judged[i];
    column.p_adjusted = adjusted[i];
    column.drifted = column.p_adjusted <= spec.alpha && column.effect().corrected >= column.bound;
    set.drifted += column.drifted ? 1 : 0;
  }
  if (set.columns == 0) return set;
  set.share = static_cast<double>(set.drifted) / static_cast<double>(set.columns);
  set.all = set.share >= spec.set_share;
  return set;
}

}  // namespace muster::registry::monitor
