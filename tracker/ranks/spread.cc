#include "tracker/ranks/spread.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <limits>
#include <map>
#include <numeric>
#include <set>
#include <string>

namespace muster::tracker {

namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

/// What one rank has in one column.
struct Cell {
  int rank = 0;
  const Bucket* bucket = nullptr;
};

bool HasFinite(const Bucket& bucket) { return bucket.min <= bucket.max; }

/// How bad a cell is, larger is worse; NaN when it has no finite value.
double Badness(const Bucket& bucket, Worse worse, double median) {
  switch (worse) {
    case Worse::kHigh:
      return HasFinite(bucket) ? bucket.max : kNan;
    case Worse::kLow:
      return HasFinite(bucket) ? -bucket.min : kNan;
    case Worse::kFar:
      return std::isfinite(bucket.last) ? std::abs(bucket.last - median) : kNan;
  }
  return kNan;
}

Spread SpreadOfColumn(const std::vector<Cell>& cells, Worse worse) {
  Spread spread{.first_step = cells.front().bucket->first_step,
                .last_step = cells.front().bucket->last_step,
                .ranks = cells.size(),
                .min = kNan,
                .max = kNan};
  std::vector<double> last;
  for (const Cell& cell : cells) {
    const Bucket& bucket = *cell.bucket;
    spread.first_step = std::min(spread.first_step, bucket.first_step);
    spread.last_step = std::max(spread.last_step, bucket.last_step);
    if (bucket.nans + bucket.infinities > 0) ++spread.not_finite;
    if (std::isfinite(bucket.last)) last.push_back(bucket.last);
    if (!HasFinite(bucket)) continue;
    spread.min = std::fmin(spread.min, bucket.min);  // of NaN and a number: the number
    spread.max = std::fmax(spread.max, bucket.max);
  }
  spread.median = MedianOf(std::move(last));
  double worst = kNan;
  for (const Cell& cell : cells) {
    const double badness = Badness(*cell.bucket, worse, spread.median);
    if (std::isnan(badness) || badness <= worst) continue;  // the first of equals stays
    worst = badness;
    spread.worst = cell.rank;
  }
  return spread;
}

}  // namespace

Worse WorseOf(std::string_view key) {
  std::set<std::string> words;
  std::string word;
  for (const char c : std::string(key) + " ") {
    if (std::isalnum(static_cast<unsigned char>(c)) != 0) {
      word += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    } else {
      words.insert(std::move(word));
      word.clear();
    }
  }
  const auto any = [&](std::initializer_list<const char*> of) {
    return std::ranges::any_of(of, [&](const char* one) { return words.contains(one); });
  };
  if (any({"per", "throughput"})) return Worse::kLow;
  if (any({"second", "seconds", "sec", "s", "ms", "us", "time", "wait", "latency", "duration"})) {
    return Worse::kHigh;
  }
  return Worse::kFar;
}

std::string_view WorseName(Worse worse) {
  switch (worse) {
    case Worse::kHigh:
      return "high";
    case Worse::kLow:
      return "low";
    case Worse::kFar:
      return "far";
  }
  return "";
}

double MedianOf(std::vector<double> values) {
  if (values.empty()) return kNan;
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::ranges::nth_element(values, middle);
  if (values.size() % 2 == 1) return *middle;
  return std::midpoint(*std::ranges::max_element(values.begin(), middle), *middle);
}

std::vector<Spread> SpreadOf(const RankCurves& curves, Worse worse) {
  std::map<std::size_t, std::vector<Cell>> columns;
  for (const RankCurve& curve : curves.ranks) {
    for (const Bucket& bucket : curve.columns) {
      columns[ColumnOf(curves.window, bucket.first_step)].push_back({curve.place.rank, &bucket});
    }
  }
  std::vector<Spread> spreads;
  spreads.reserve(columns.size());
  for (const auto& [place, cells] : columns) spreads.push_back(SpreadOfColumn(cells, worse));
  return spreads;
}

}  // namespace muster::tracker
