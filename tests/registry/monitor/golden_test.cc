#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "registry/monitor/drift.h"
#include "registry/monitor/samples.h"
#include "runtime/base/csv.h"
#include "runtime/base/file.h"

/// tests/golden/monitor/cases.csv is what SciPy and NumPy answer; scripts/golden_drift writes it.

namespace muster::registry::monitor {
namespace {

using Numbers = std::vector<double>;

Numbers Parse(const std::string& text) {
  std::istringstream words(text);
  Numbers numbers;
  for (std::string word; words >> word;) numbers.push_back(std::stod(word));
  return numbers;
}

/// The arguments behind the first, as two parts of which the first has so many.
struct Halves {
  explicit Halves(const Numbers& all) {
    const auto split = all.begin() + 1 + static_cast<std::ptrdiff_t>(all[0]);
    reference.assign(all.begin() + 1, split);
    current.assign(split, all.end());
  }
  [[nodiscard]] static std::vector<std::int64_t> Counts(const Numbers& numbers) {
    return {numbers.begin(), numbers.end()};
  }
  Numbers reference, current;
};

Numbers OfSamples(const Numbers& arguments) {
  Halves halves(arguments);
  const SortedReference<double> reference(halves.reference);
  const ColumnDrift drift = DriftOfSamples(reference, halves.current, {});
  return {drift.wasserstein.value * reference.std(), drift.kolmogorov_smirnov.value, drift.p,
          drift.stability.value, drift.jensen_shannon.value};
}

Numbers OfCategories(const Numbers& arguments) {
  const Halves halves(arguments);
  const auto reference = Halves::Counts(halves.reference), current = Halves::Counts(halves.current);
  const ColumnDrift drift = CategoryDrift({reference, current}, {});
  return {drift.stability.value, drift.jensen_shannon.value, drift.l_infinity.value};
}

Numbers OfTable(const Numbers& arguments) {
  const Halves halves(arguments);
  const ChiSquare test =
      Homogeneity(Halves::Counts(halves.reference), Halves::Counts(halves.current));
  return {test.statistic, static_cast<double>(test.degrees), test.p};
}

TEST(Drift, AnswersAsSciPyDoes) {
  const std::map<std::string, std::function<Numbers(const Numbers&)>> functions = {
      {"samples", OfSamples},
      {"categories", OfCategories},
      {"chi_square", OfTable},
      {"kolmogorov", [](const Numbers& z) { return Numbers{KolmogorovUpperTail(z[0])}; }}};
  const auto text = ReadWholeFile(MUSTER_TEST_GOLDEN "/cases.csv", 1 << 20);
  ASSERT_TRUE(text.ok()) << text.error().message;
  const auto cases = ParseCsv(*text);
  ASSERT_TRUE(cases.ok()) << cases.error().message;
  std::map<std::string, int> seen;
  for (std::size_t i = 1; i < cases->size(); ++i) {
    const auto& cells = (*cases)[i].cells;
    const Numbers answer = functions.at(cells[0].text)(Parse(cells[1].text));
    const Numbers wanted = Parse(cells[2].text);
    ASSERT_EQ(answer.size(), wanted.size());
    for (std::size_t k = 0; k < wanted.size(); ++k) {
      EXPECT_NEAR(answer[k], wanted[k], 1e-9 * std::max(1.0, std::abs(wanted[k])))
          << cells[0].text << " in line " << (*cases)[i].line << ", answer " << k;
    }
    ++seen[cells[0].text];
  }
  EXPECT_EQ(seen.size(), functions.size()) << "every function has its cases";
}

}  // namespace
}  // namespace muster::registry::monitor
