#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "registry/monitor/frequency_sketch.h"
#include "registry/monitor/quantile_sketch.h"
#include "runtime/base/random.h"

namespace muster::registry::monitor {
namespace {

struct Stream {
  std::string name;
  std::function<double(Random&)> next;
};

const Stream kStreams[] = {
    {"normal", [](Random& random) { return random.Normal(); }},
    {"skewed", [](Random& random) { return std::exp(3 * random.Normal()); }},
    {"few values", [](Random& random) { return static_cast<double>(random.Below(7)); }},
    {"one value mostly", [](Random& random) { return random.Chance(0.9) ? 0 : random.Normal(); }}};

std::vector<double> Draw(const Stream& stream, int count, std::uint64_t seed) {
  Random random(seed);
  std::vector<double> values;
  for (int i = 0; i < count; ++i) values.push_back(stream.next(random));
  return values;
}

/// The largest difference of ranks, over all values.
double WorstRank(const QuantileSketch& sketch, std::vector<double> values) {
  std::ranges::sort(values);
  const auto steps = sketch.Steps();
  double worst = 0;
  std::size_t step = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (i + 1 < values.size() && values[i + 1] == values[i]) continue;
    while (step < steps.size() && steps[step].value <= values[i]) ++step;
    const auto through = step == 0 ? 0 : steps[step - 1].through;
    worst = std::max(worst, std::abs(static_cast<double>(through) - static_cast<double>(i + 1)));
  }
  return worst / static_cast<double>(values.size());
}

QuantileSketch SketchOf(const std::vector<double>& values, std::uint64_t seed = 1) {
  QuantileSketch sketch(QuantileSketch::kDefaultK, seed);
  for (const double value : values) sketch.Add(value);
  return sketch;
}

TEST(QuantileSketch, Ranks_AreWithinTheBound) {
  for (const Stream& stream : kStreams) {
    for (const int count : {1, 100, 5'000, 200'000}) {
      const auto values = Draw(stream, count, 11);
      const QuantileSketch sketch = SketchOf(values);
      // All ranks at once, not one: twice the single-sided error is still less than chance makes of 20 runs.
      EXPECT_LE(WorstRank(sketch, values), 2 * sketch.rank_error() + 1e-12)
          << stream.name << ", " << count;
      EXPECT_EQ(sketch.count(), count);
      EXPECT_EQ(sketch.min(), std::ranges::min(values));
      EXPECT_EQ(sketch.max(), std::ranges::max(values));
      EXPECT_LE(sketch.size(), 700U) << "memory is bounded";
      EXPECT_EQ(sketch.Steps().back().through, count);
    }
  }
}

TEST(QuantileSketch, SingleRanks_KeepTheStatedError) {
  // 99 times of 100, over seeds.
  const auto values = Draw(kStreams[0], 50'000, 3);
  auto sorted = values;
  std::ranges::sort(sorted);
  int outside = 0, looked = 0;
  for (std::uint64_t seed = 0; seed < 60; ++seed) {
    const QuantileSketch sketch = SketchOf(values, seed);
    for (const double q : {0.1, 0.5, 0.9}) {
      const double value = sorted[static_cast<std::size_t>(q * 50'000) - 1];
      outside += std::abs(sketch.Rank(value) - q) > sketch.rank_error() ? 1 : 0;
      ++looked;
    }
  }
  EXPECT_LE(outside, looked / 20);
}

TEST(QuantileSketch, MergedInAnyOrder_StaysWithinTheBound) {
  const auto values = Draw(kStreams[1], 90'000, 5);
  std::vector<QuantileSketch> parts;
  for (std::size_t i = 0; i < 9; ++i) {
    const auto from = values.begin() + static_cast<std::ptrdiff_t>(i * 10'000);
    parts.push_back(SketchOf({from, from + (i == 4 ? 3 : 10'000)}, i));
  }
  std::vector<double> seen;
  for (std::size_t i = 0; i < 9; ++i) {
    const auto from = values.begin() + static_cast<std::ptrdiff_t>(i * 10'000);
    seen.insert(seen.end(), from, from + (i == 4 ? 3 : 10'000));
  }
  QuantileSketch forward, backward, tree;
  for (const auto& part : parts) forward.Merge(part);
  for (std::size_t i = parts.size(); i-- > 0;) backward.Merge(parts[i]);
  for (std::size_t i = 0; i < 9; i += 3) {
    QuantileSketch three = parts[i];
    three.Merge(parts[i + 1]);
    three.Merge(parts[i + 2]);
    tree.Merge(three);
  }
  for (const auto* merged : {&forward, &backward, &tree}) {
    EXPECT_EQ(merged->count(), static_cast<std::int64_t>(seen.size()));
    EXPECT_LE(WorstRank(*merged, seen), 2 * merged->rank_error());
    EXPECT_EQ(merged->max(), std::ranges::max(seen));
    EXPECT_LE(merged->size(), 700U);
  }
}

TEST(QuantileSketch, FewNumbers_AreExact) {
  const QuantileSketch sketch = SketchOf({3, 1, 2, 2});
  EXPECT_EQ(sketch.rank_error(), 0);
  EXPECT_EQ(sketch.Rank(0), 0);
  EXPECT_EQ(sketch.Rank(2), 0.75);
  EXPECT_EQ(sketch.Quantile(0), 1);
  EXPECT_EQ(sketch.Quantile(0.5), 2);
  EXPECT_EQ(sketch.Quantile(1), 3);
  EXPECT_TRUE(std::isnan(QuantileSketch().Quantile(0.5)));
  EXPECT_TRUE(std::isnan(QuantileSketch().Rank(0)));
}

TEST(QuantileSketch, Bytes_ComeBackAndGoOnAlike) {
  for (const int count : {0, 5, 40'000}) {
    const auto values = Draw(kStreams[0], count, 9);
    QuantileSketch sketch = SketchOf(values, 77);
    auto back = QuantileSketch::FromBytes(sketch.Bytes(), 77);
    ASSERT_TRUE(back.ok()) << back.error().message;
    EXPECT_EQ(back->Bytes(), sketch.Bytes());
    for (const double value : Draw(kStreams[1], 3'000, 2)) {
      sketch.Add(value);
      back->Add(value);
    }
    EXPECT_EQ(back->Bytes(), sketch.Bytes()) << "the draws went on too";
  }
}

TEST(QuantileSketch, BrokenBytes_AreNamed) {
  const std::string good = SketchOf(Draw(kStreams[0], 5'000, 9)).Bytes();
  for (std::size_t cut = 0; cut < good.size(); cut += 7) {
    const auto read = QuantileSketch::FromBytes(std::string_view(good).substr(0, cut));
    ASSERT_FALSE(read.ok()) << cut;
    EXPECT_EQ(read.error().kind, ErrorKind::kCorrupt);
  }
  EXPECT_FALSE(QuantileSketch::FromBytes(good + "x").ok());
  std::string other = good;
  other[1] = static_cast<char>(other[1] ^ 1);  // the lowest bits of the count's first byte
  other[2] = static_cast<char>(other[2] ^ 1);
  EXPECT_FALSE(QuantileSketch::FromBytes(other).ok());
}

FrequencySketch FrequenciesOf(const std::vector<double>& values) {
  FrequencySketch sketch;
  for (const double value : values) sketch.Add(value);
  return sketch;
}

std::map<double, std::int64_t> Exact(const std::vector<double>& values) {
  std::map<double, std::int64_t> counts;
  for (const double value : values) ++counts[value];
  return counts;
}

TEST(FrequencySketch, FewValues_AreExact) {
  const auto values = Draw(kStreams[2], 10'000, 4);
  const FrequencySketch sketch = FrequenciesOf(values);
  EXPECT_EQ(sketch.error(), 0);
  EXPECT_EQ(sketch.counts(), Exact(values));
}

/// Some values are heavy, the rest comes once.
std::vector<double> HeavyHitters(int count, std::uint64_t seed) {
  Random random(seed);
  std::vector<double> values;
  for (int i = 0; i < count; ++i) {
    values.push_back(random.Chance(0.6) ? static_cast<double>(random.Below(5))
                                        : 100 + random.Uniform());
  }
  return values;
}

void ExpectWithinError(const FrequencySketch& sketch, const std::vector<double>& values) {
  const auto exact = Exact(values);
  EXPECT_EQ(sketch.total(), static_cast<std::int64_t>(values.size()));
  EXPECT_LE(sketch.counts().size(), FrequencySketch::kDefaultCapacity);
  EXPECT_LE(sketch.error(),
            sketch.total() / static_cast<std::int64_t>(FrequencySketch::kDefaultCapacity + 1));
  for (const auto& [value, count] : exact) {
    const auto found = sketch.counts().find(value);
    const std::int64_t counted = found == sketch.counts().end() ? 0 : found->second;
    ASSERT_LE(counted, count);
    ASSERT_GE(counted + sketch.error(), count);
  }
}

TEST(FrequencySketch, ManyValues_KeepTheBound_MergedToo) {
  std::vector<double> all;
  FrequencySketch merged, backward;
  std::vector<FrequencySketch> parts;
  for (std::uint64_t part = 0; part < 5; ++part) {
    const auto values = HeavyHitters(4'000, part);
    parts.push_back(FrequenciesOf(values));
    ExpectWithinError(parts.back(), values);
    all.insert(all.end(), values.begin(), values.end());
  }
  for (const auto& part : parts) merged.Merge(part);
  for (std::size_t i = parts.size(); i-- > 0;) backward.Merge(parts[i]);
  ExpectWithinError(merged, all);
  ExpectWithinError(backward, all);
  for (const double heavy : {0, 1, 2, 3, 4}) EXPECT_TRUE(merged.counts().contains(heavy));
}

TEST(FrequencySketch, Counts_AreChecked) {
  const auto sketch = FrequenciesOf(HeavyHitters(4'000, 1));
  const auto back = FrequencySketch::FromCounts(sketch.counts(), sketch.total(), sketch.error());
  ASSERT_TRUE(back.ok()) << back.error().message;
  EXPECT_EQ(back->counts(), sketch.counts());
  struct Case {
    std::map<double, std::int64_t> counts;
    std::int64_t total, error;
  };
  const Case cases[] = {{{{1, 5}}, 4, 0}, {{{1, 0}}, 0, 0},  {{{1, 5}}, 9, 0},
                        {{{1, 5}}, 5, 1}, {{{1, 5}}, 6, -1}, {{{std::nan(""), 5}}, 5, 0}};
  for (const Case& wrong : cases) {
    const auto read = FrequencySketch::FromCounts(wrong.counts, wrong.total, wrong.error);
    ASSERT_FALSE(read.ok());
    EXPECT_EQ(read.error().kind, ErrorKind::kCorrupt);
  }
}

}  // namespace
}  // namespace muster::registry::monitor
