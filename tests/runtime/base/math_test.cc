#include "runtime/base/math.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string_view>

namespace muster {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

struct Known {
  const char* name;
  double (*function)(double);
  double x;
  double value;  ///< computed with 50 digits
};

TEST(Math, AgreesWithFiftyDigits) {
  const Known known[] = {
      {"Exp", math::Exp, -400.090751, 1.7490192127436743833e-174},
      {"Exp", math::Exp, -591.440911, 1.3818979764057288574e-257},
      {"Exp", math::Exp, -169.676131, 2.0445258032592616054e-74},
      {"Exp", math::Exp, -516.83993, 3.4615481239225748642e-225},
      {"Exp", math::Exp, -644.218262, 1.6579203874369222816e-280},
      {"Exp", math::Exp, -161.708939, 5.897936845640372052e-71},
      {"Exp", math::Exp, 581.855262, 4.9719820603208156608e+252},
      {"Exp", math::Exp, 412.651386, 1.6301211774769261501e+179},
      {"Exp", math::Exp, 0.530325, 1.6994845513534352944},
      {"Exp", math::Exp, -0.556144, 0.57341589804093610279},
      {"Exp", math::Exp, 0.07336, 1.0761178696236971893},
      {"Exp", math::Exp, -0.446635, 0.63977738440812343966},
      {"Exp", math::Exp, 0.0, 1.0},
      {"Exp", math::Exp, 1.0, 2.7182818284590452354},
      {"Expm1", math::Expm1, 1e-10, 1.0000000000500000364e-10},
      {"Expm1", math::Expm1, -1e-05, -9.999950000166667068e-6},
      {"Expm1", math::Expm1, 0.3, 0.349858807576003089},
      {"Expm1", math::Expm1, -0.34, -0.2882296772373903023},
      {"Expm1", math::Expm1, 0.36, 0.43332941456034023868},
      {"Expm1", math::Expm1, -20.0, -0.99999999793884637756},
      {"Log", math::Log, 1e-300, -690.77552789821370518},
      {"Log", math::Log, 5e-324, -744.44007192138126231},
      {"Log", math::Log, 0.5, -0.69314718055994530942},
      {"Log", math::Log, 0.9999999, -1.0000000494736474329e-7},
      {"Log", math::Log, 1.0000001, 9.9999995058387045178e-8},
      {"Log", math::Log, 2.0, 0.69314718055994530942},
      {"Log", math::Log, 300000000.0, 19.519293032620475164},
      {"Log1p", math::Log1p, 1e-10, 9.9999999995000003644e-11},
      {"Log1p", math::Log1p, -1e-05, -0.000010000050000333336651},
      {"Log1p", math::Log1p, 0.3, 0.2623642644674910435},
      {"Log1p", math::Log1p, -0.9, -2.3025850929940459061},
      {"Log1p", math::Log1p, 5.0, 1.7917594692280550008},
      {"Erf", math::Erf, -3.0, -0.99997790950300141456},
      {"Erf", math::Erf, -0.7, -0.67780119383741844228},
      {"Erf", math::Erf, 1e-08, 1.1283791670955125599e-8},
      {"Erf", math::Erf, 0.4, 0.42839235504666847645},
      {"Erf", math::Erf, 0.99, 0.83850806955536979982},
      {"Erf", math::Erf, 1.01, 0.8468104962282767015},
      {"Erf", math::Erf, 2.5, 0.99959304798255504106},
      {"Erfc", math::Erfc, -5.0, 1.9999999999984625402},
      {"Erfc", math::Erfc, -0.6, 1.6038560908479259051},
      {"Erfc", math::Erfc, 0.1, 0.8875370839817151016},
      {"Erfc", math::Erfc, 0.49, 0.48833173881147690867},
      {"Erfc", math::Erfc, 0.51, 0.47075638015882956326},
      {"Erfc", math::Erfc, 3.7, 1.6715105790914597513e-7},
      {"Erfc", math::Erfc, 10.0, 2.088487583762544757e-45},
      {"Erfc", math::Erfc, 26.0, 5.6631924088561428465e-296},
      {"Erfcx", math::Erfcx, -20.0, 1.0442939379528287901e+174},
      {"Erfcx", math::Erfcx, -1.0, 5.0089800807622834663},
      {"Erfcx", math::Erfcx, 0.0, 1.0},
      {"Erfcx", math::Erfcx, 0.3, 0.73459933456765514992},
      {"Erfcx", math::Erfcx, 2.0, 0.25539567631050574387},
      {"Erfcx", math::Erfcx, 12.0, 0.04685422101489376262},
      {"Erfcx", math::Erfcx, 80.0, 0.0070518189570391030171},
      {"NormalCdf", math::NormalCdf, -37.0, 5.7255712225245768227e-300},
      {"NormalCdf", math::NormalCdf, -8.0, 6.2209605742717841235e-16},
      {"NormalCdf", math::NormalCdf, -1.5, 0.066807201268858066004},
      {"NormalCdf", math::NormalCdf, 0.0, 0.5},
      {"NormalCdf", math::NormalCdf, 0.7, 0.75803634777692697138},
      {"NormalCdf", math::NormalCdf, 5.0, 0.99999971334842812081},
      {"LogNormalCdf", math::LogNormalCdf, -37.0, -689.0305855768905936},
      {"LogNormalCdf", math::LogNormalCdf, -8.0, -35.013437159914549896},
      {"LogNormalCdf", math::LogNormalCdf, -1.01, -1.8563130623431784424},
      {"LogNormalCdf", math::LogNormalCdf, -0.99, -1.8258103178428123576},
      {"LogNormalCdf", math::LogNormalCdf, 0.0, -0.69314718055994530942},
      {"LogNormalCdf", math::LogNormalCdf, 3.0, -0.0013508099647481937988},
  };
  for (const auto& [name, function, x, value] : known) {
    const bool normal = std::string_view(name).find("Normal") != std::string_view::npos;
    const double tolerance = std::max(std::abs(value) * 2e-16 * (4 + (normal ? x * x : 0)),
                                      std::numeric_limits<double>::denorm_min());
    EXPECT_NEAR(function(x), value, tolerance) << name << "(" << x << ")";
  }
}

// Against mpmath 1.4.1 with 40 digits.
TEST(Math, LogNormalMass_KeepsItsDigits) {
  const struct {
    double a, b, wanted;
  } cases[] = {
      {-1, 1, -0.38171514630212607227},          {-0.3, 0.1, -1.8468118656728517527},
      {-0.001, 0.0015, -6.9104033719792779717},  {-1e-07, 1e-07, -16.343887003603048932},
      {0.5, 0.5001, -10.254303906743444775},     {-9, -8.5, -39.209373391744011011},
      {-40, -39, -765.08315656437754441},        {-40, -39.99999, -812.4316639912074257},
      {-3, 50, -0.0013508099647481937988},       {-200, -100, -5005.5242086942050886},
      {-0.0001, 0.0002, -9.0306666215127457235}, {6, 6.0001, -28.129578891849602074},
  };
  for (const auto& [a, b, wanted] : cases) {
    EXPECT_NEAR(math::LogNormalMass(a, b), wanted, 1e-12 * std::abs(wanted)) << a << " to " << b;
    EXPECT_NEAR(math::LogNormalMass(-b, -a), wanted, 1e-12 * std::abs(wanted)) << a << " to " << b;
  }
}

TEST(Math, LimitsAndNaN) {
  EXPECT_EQ(math::Exp(710), kInfinity);
  EXPECT_EQ(math::Exp(-kInfinity), 0);
  EXPECT_EQ(math::Log(0), -kInfinity);
  EXPECT_TRUE(std::isnan(math::Log(-1)));
  EXPECT_EQ(math::Log(kInfinity), kInfinity);
  EXPECT_EQ(math::Log1p(-1), -kInfinity);
  EXPECT_EQ(math::Pow(0, 2), 0);
  EXPECT_EQ(math::Pow(0, 0), 1);
  EXPECT_EQ(math::Erf(kInfinity), 1);
  EXPECT_EQ(math::Erfc(40), 0);
  EXPECT_EQ(math::Erfcx(-30), kInfinity);
  EXPECT_EQ(math::NormalCdf(kInfinity), 1);
  EXPECT_EQ(math::LogNormalCdf(-kInfinity), -kInfinity);
  for (const auto function : {math::Exp, math::Expm1, math::Log, math::Log1p, math::Erf, math::Erfc,
                              math::Erfcx, math::NormalCdf, math::LogNormalCdf}) {
    EXPECT_TRUE(std::isnan(function(std::nan(""))));
  }
}

TEST(Math, BitsAreThoseOfEveryHost) {
  // Folded over a sweep of arguments: another compiler, flag or CPU that rounds one of them elsewhere shows.
  std::uint64_t fold = 0;
  const auto add = [&](double x) { fold = std::rotl(fold, 7) ^ std::bit_cast<std::uint64_t>(x); };
  for (int i = -400; i <= 400; ++i) {
    const double x = i / 40.0;
    add(math::Exp(x * 70));
    add(math::Log(std::abs(x) + 1e-9));
    add(math::Erfc(x));
    add(math::Erfcx(std::abs(x) * 3));
    add(math::LogNormalCdf(x * 4));
  }
  EXPECT_EQ(fold, 17478606780490341501U);
}

}  // namespace
}  // namespace muster
