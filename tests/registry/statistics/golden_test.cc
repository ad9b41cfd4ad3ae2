#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <numeric>
#include <sstream>
#include <string>
#include <vector>

#include "registry/statistics/bootstrap.h"
#include "registry/statistics/calibration.h"
#include "registry/statistics/fairness.h"
#include "registry/statistics/hypothesis.h"
#include "runtime/base/csv.h"
#include "runtime/base/file.h"

/// tests/golden/statistics/cases.csv is what SciPy, statsmodels, scikit-learn and Fairlearn answer; scripts/golden_statistics
/// writes it.

namespace muster::registry::statistics {
namespace {

using Numbers = std::vector<double>;

Numbers Parse(const std::string& text) {
  std::istringstream words(text);
  Numbers numbers;
  for (std::string word; words >> word;) numbers.push_back(std::stod(word));
  return numbers;
}

/// Takes the arguments of a case from the front.
class Reader {
 public:
  explicit Reader(const Numbers& numbers) : rest_(numbers) {}
  double Next() { return Take<double>(1)[0]; }
  template <typename T>
  std::vector<T> Take(std::size_t count) {
    std::vector<T> taken(count);
    std::transform(rest_.begin(), rest_.begin() + static_cast<std::ptrdiff_t>(count), taken.begin(),
                   [](double number) { return static_cast<T>(number); });
    rest_ = rest_.subspan(count);
    return taken;
  }
  std::span<const double> Rest() const { return rest_; }

 private:
  std::span<const double> rest_;
};

Numbers Ends(const Interval& interval) { return {interval.low, interval.high}; }

Numbers TestOf(const MeanTest& test) {
  return {test.mean, test.p, test.interval.low, test.interval.high};
}

Discordant PairsOf(Reader& in) {
  const auto counts = in.Take<std::int64_t>(3);
  return {counts[0], counts[1], counts[2]};
}

Numbers FairnessOf(Reader& in) {
  const auto rows = static_cast<std::size_t>(in.Next());
  const auto guess = in.Take<std::uint8_t>(rows), label = in.Take<std::uint8_t>(rows);
  const auto rates = RatesByGroup(guess, label, in.Take<std::int64_t>(rows));
  using enum FairnessMeasure;
  Numbers measures;
  for (const auto measure :
       {kDemographicParityDifference, kDemographicParityRatio, kEqualizedOddsDifference,
        kEqualizedOddsRatio, kEqualOpportunityDifference}) {
    measures.push_back(Fairness(measure, rates));
  }
  return measures;
}

/// Rows of logits with their labels.
struct Classified {
  std::int64_t classes, bins = 1;
  std::vector<double> probabilities;
  std::vector<std::int64_t> labels;

  Classified(Reader& in, bool binned) : classes(static_cast<std::int64_t>(in.Next())) {
    const auto rows = static_cast<std::size_t>(in.Next());
    if (binned) bins = static_cast<std::int64_t>(in.Next());
    probabilities = Softmax(in.Take<float>(rows * static_cast<std::size_t>(classes)), classes);
    labels = in.Take<std::int64_t>(rows);
  }
};

Numbers Brier(Reader& in) {
  const Classified rows(in, false);
  const auto scores = BrierScores(rows.probabilities, rows.labels, rows.classes);
  return {std::accumulate(scores.begin(), scores.end(), 0.0) / static_cast<double>(scores.size())};
}

Numbers Ece(Reader& in) {
  const Classified rows(in, true);
  std::vector<double> confidence;
  std::vector<std::uint8_t> correct;
  for (std::size_t row = 0; row < rows.labels.size(); ++row) {
    const auto first = rows.probabilities.begin() + static_cast<std::ptrdiff_t>(row) * rows.classes;
    const auto best = std::max_element(first, first + rows.classes);
    confidence.push_back(*best);
    correct.push_back(best - first == rows.labels[row] ? 1 : 0);
  }
  return {ExpectedCalibrationError(confidence, correct, rows.bins)};
}

struct Function {
  std::function<Numbers(Reader&)> answer;
  double relative = 1e-11;  ///< difference that is allowed, of the larger of 1e-3 and the wanted
};

std::map<std::string, Function> Functions() {
  return {
      {"wilson", {[](Reader& in) {
         const auto counts = in.Take<std::int64_t>(2);
         return Ends(WilsonInterval(counts[0], counts[1], in.Next()));
       }}},
      {"mcnemar", {[](Reader& in) { return Numbers{McNemarExact(PairsOf(in))}; }}},
      // The oracle finds the likeliest rates by a search.
      {"tango",
       {[](Reader& in) {
          const Discordant pairs = PairsOf(in);
          return Ends(TangoInterval(pairs, in.Next()));
        },
        1e-5}},
      {"t_test", {[](Reader& in) {
         const double bound = in.Next(), confidence = in.Next();
         return TestOf(TTest(in.Rest(), bound, confidence));
       }}},
      {"corrected_t_test", {[](Reader& in) {
         const double bound = in.Next(), confidence = in.Next(), share = in.Next();
         return TestOf(CorrectedResampledTTest(in.Rest(), share, bound, confidence));
       }}},
      {"binomial_tail", {[](Reader& in) {
         const auto counts = in.Take<std::int64_t>(2);
         return Numbers{BinomialUpperTail(counts[0], counts[1], in.Next())};
       }}},
      {"holm", {[](Reader& in) { return HolmAdjusted(in.Rest()); }}},
      {"quantile", {[](Reader& in) {
         const double q = in.Next(), confidence = in.Next();
         const Interval ends = QuantileInterval(in.Rest(), q, confidence);
         return Numbers{SortedQuantile(in.Rest(), q), ends.low, ends.high};
       }}},
      {"brier", {Brier}},
      {"ece", {Ece}},
      {"fairness", {FairnessOf}},
      // 2,000 resamples: the end of an interval is known to about 0.03 standard deviations of the figure.
      {"bootstrap_rate",
       {[](Reader& in) {
          const auto counts = in.Take<std::size_t>(2);
          Numbers values(counts[1], 0.0);
          std::fill_n(values.begin(), counts[0], 1.0);
          return Ends(BootstrapMean(values, in.Next(), 7));
        },
        0.02}},
      {"bootstrap_mean",
       {[](Reader& in) {
          const double confidence = in.Next();
          return Ends(BootstrapMean(in.Rest(), confidence, 7));
        },
        0.01}},
  };
}

TEST(Statistics, AnswerAsTheReferencesDo) {
  const auto text = ReadWholeFile(MUSTER_TEST_GOLDEN "/cases.csv", 1 << 20);
  ASSERT_TRUE(text.ok()) << text.error().message;
  const auto cases = ParseCsv(*text);
  ASSERT_TRUE(cases.ok()) << cases.error().message;
  const auto functions = Functions();
  std::map<std::string, int> seen;
  for (std::size_t i = 1; i < cases->size(); ++i) {
    const auto& cells = (*cases)[i].cells;
    const std::string& name = cells[0].text;
    ASSERT_TRUE(functions.contains(name)) << name;
    const Numbers arguments = Parse(cells[1].text), wanted = Parse(cells[2].text);
    Reader reader(arguments);
    const Numbers answer = functions.at(name).answer(reader);
    ASSERT_EQ(answer.size(), wanted.size()) << name;
    for (std::size_t k = 0; k < wanted.size(); ++k) {
      const std::string place =
          name + " in line " + std::to_string((*cases)[i].line) + ", answer " + std::to_string(k);
      if (std::isfinite(wanted[k])) {
        EXPECT_NEAR(answer[k], wanted[k],
                    functions.at(name).relative * std::max(1e-3, std::abs(wanted[k])))
            << place;
      } else {
        EXPECT_EQ(answer[k], wanted[k]) << place;
      }
    }
    ++seen[name];
  }
  EXPECT_EQ(seen.size(), functions.size()) << "every function has its cases";
}

}  // namespace
}  // namespace muster::registry::statistics
