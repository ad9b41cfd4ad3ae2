#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "registry/monitor/cdf.h"
#include "registry/monitor/divergence.h"

/// Whether a column of the current rows is still distributed as the reference's. Pure; any thread.
///
/// A column has drifted when its difference is both large (the corrected effect is at least a bound, whatever the number
/// of rows) and no chance (its p, after Holm over all columns, is at most alpha): with many rows everything is significant,
/// with few the effect alone is noise. Numbers are judged by W1 / std of the reference and the Kolmogorov-Smirnov test,
/// categories by the Jensen-Shannon distance and chi-square.

namespace muster::registry::monitor {

struct DriftSpec {
  double alpha = 0.05;           ///< chance that any column of a set that has not drifted is called
  double confidence = 0.95;      ///< of intervals
  double number_bound = 0.1;     ///< of W1 / std
  double category_bound = 0.1;   ///< of the Jensen-Shannon distance
  double set_share = 0.5;        ///< of drifted columns, from which on all have drifted together
  std::int64_t rows_least = 30;  ///< with fewer nothing is said
};
/// kInvalid names the member that is out of its range.
Status CheckDriftSpec(const DriftSpec& spec);

struct ColumnDrift {
  std::string column;
  std::int64_t reference_rows = 0, current_rows = 0;
  Effect wasserstein;         ///< W1 / std of the reference; infinite beside a constant
  Effect kolmogorov_smirnov;  ///< its interval: Massart's band (1990) of both sides
  Effect stability;           ///< population stability index
  Effect jensen_shannon;
  Effect l_infinity;         ///< of categories alone
  std::string_view measure;  ///< "wasserstein" or "jensen_shannon": what is held against `bound`
  std::string_view test;     ///< "kolmogorov_smirnov" or "chi_square"
  double bound = 0;
  double p = 1, p_adjusted = 1;
  bool drifted = false;

  [[nodiscard]] const Effect& effect() const {
    return measure == "wasserstein" ? wasserstein : jensen_shannon;
  }
};

/// Two distributions of numbers.
struct NumberPair {
  CdfDistance distance;
  std::int64_t reference_rows = 0, current_rows = 0;
  double std = 0;         ///< of the reference
  double rank_error = 0;  ///< of both sides together
};
NumberPair Compare(const Cdf& reference, const Cdf& current, double std);

/// Counts over the same bins or categories, of one row at least each.
struct Histograms {
  std::span<const std::int64_t> reference, current;
};
/// Effects and p of numbers.
ColumnDrift NumberDrift(const NumberPair& pair, const Histograms& bins, const DriftSpec& spec);
/// Effects and p of categories.
ColumnDrift CategoryDrift(const Histograms& categories, const DriftSpec& spec);

struct SetDrift {
  std::size_t columns = 0, drifted = 0;  ///< that were judged
  double share = 0;
  bool all = false;  ///< share >= set_share
};
/// Adjusts the p of all and decides. A column of too few rows takes no part and has not drifted.
SetDrift Judge(std::vector<ColumnDrift>& columns, const DriftSpec& spec);

}  // namespace muster::registry::monitor
