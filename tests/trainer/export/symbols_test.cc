#include "trainer/export/symbols.h"

#include <ATen/Functions.h>
#include <gtest/gtest.h>

namespace muster::exporting {
namespace {

Symbols BatchAndLength(std::int64_t multiple = 1) {
  return {{.name = "batch", .axes = {{0, 0}}},
          {.name = "length", .multiple = multiple, .axes = {{0, 1}}, .units = {16, 15, 13}}};
}

/// What `of` is for the sizes of each trace.
std::vector<std::int64_t> Values(const Symbols& symbols,
                                 std::int64_t (*of)(std::int64_t batch, std::int64_t length)) {
  std::vector<std::int64_t> values;
  for (std::size_t trace = 0; trace < TraceCount(symbols); ++trace) {
    const auto sizes =
        Resized({at::ones({2, 16 * symbols[1].multiple})}, symbols, trace)[0].sizes();
    values.push_back(of(sizes[0], sizes[1]));
  }
  return values;
}

struct FitCase {
  std::int64_t (*of)(std::int64_t batch, std::int64_t length);
  std::string text;  ///< empty: no polynomial
  std::int64_t multiple = 1;
};

TEST(Symbols, Fit_GivesThePolynomialOrNone) {
  const std::vector<FitCase> cases = {
      {[](auto, auto) -> std::int64_t { return 7; }, "7"},
      {[](auto b, auto) -> std::int64_t { return b; }, "batch"},
      {[](auto b, auto l) -> std::int64_t { return b * l; }, "batch*length"},
      {[](auto b, auto l) -> std::int64_t { return 3 * b * l - 2 * b + l - 5; },
       "-2*batch+length+3*batch*length-5"},
      {[](auto, auto l) -> std::int64_t { return l * l; }, ""},
      {[](auto b, auto) -> std::int64_t { return b * b; }, ""},
      {[](auto, auto l) -> std::int64_t { return l / 2; }, ""},
      {[](auto, auto l) -> std::int64_t { return l / 2; }, "length/2", 2},
      {[](auto b, auto l) -> std::int64_t { return b * l / 2 + 1; }, "batch*length/2+1", 2},
      {[](auto b, auto l) -> std::int64_t { return b == 5 ? 0 : b * l; }, ""},
  };
  for (const FitCase& c : cases) {
    const Symbols symbols = BatchAndLength(c.multiple);
    const auto fitted = Fit(Values(symbols, c.of), symbols);
    EXPECT_EQ(fitted ? Text(*fitted, symbols) : "", c.text);
    if (!fitted) continue;
    const std::int64_t sizes[] = {11, 4};
    EXPECT_EQ(fitted->At(sizes), c.of(11, 4 * c.multiple)) << c.text;
  }
}

TEST(Symbols, Resized_RepeatsAndLeavesOut) {
  const at::Tensor rows = at::arange(6).view({2, 3});
  const Symbols symbols = {{.name = "batch", .axes = {{0, 0}}}};
  EXPECT_TRUE(at::equal(Resized({rows}, symbols, 1)[0], at::stack({rows[0], rows[1], rows[0]})));
  EXPECT_EQ(TraceCount({}), 1u);
  EXPECT_TRUE(at::equal(Resized({rows}, {}, 0)[0], rows));
}

}  // namespace
}  // namespace muster::exporting
