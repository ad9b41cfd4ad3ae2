#include "runtime/base/math.h"

#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

namespace muster::math {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

/// log 2 in two parts; the high one has 32 trailing zero bits, so that its product with an exponent is exact.
constexpr double kLn2High = 0x1.62e42feep-1, kLn2Low = 0x1.a39ef35793c76p-33;
constexpr double kHalfLog2Pi = 0.91893853320467274178;
constexpr double kInverseLn2 = 0x1.71547652b82fep+0;

/// 2^n for n from -1022 to 1023.
double PowerOfTwo(int n) {
  return std::bit_cast<double>(static_cast<std::uint64_t>(n + 1023) << 52);
}

/// The sum of c[k] T_k(t). Clenshaw's recurrence in s = 2 t^2 - 1 = T_2(t) for even and odd k apart, which a
/// CPU computes side by side: T_2k(t) = T_k(s), and T_2k+1(t) = t V_k(s) where V follows the same recurrence.
template <std::size_t N>
double Chebyshev(const std::array<double, N>& c, double t) {
  static_assert(N % 2 == 0);
  const double twice = 4 * t * t - 2;
  double even = 0, even_after = 0, odd = 0, odd_after = 0;
  for (std::size_t k = N; k > 2; k -= 2) {
    const double even_here = twice * even + (c[k - 2] - even_after);
    const double odd_here = twice * odd + (c[k - 1] - odd_after);
    even_after = even;
    odd_after = odd;
    even = even_here;
    odd = odd_here;
  }
  even = twice / 2 * even + (c[0] - even_after);
  odd = twice * odd + (c[1] - odd_after) - odd;
  return even + t * odd;
}

/// (exp(r) - 1 - r) / r^2 for |r| <= 0.35, by Taylor's series, whose terms are added in pairs of pairs.
double ExpTail(double r) {
  constexpr double c2 = 1.0 / 2, c3 = 1.0 / 6, c4 = 1.0 / 24, c5 = 1.0 / 120, c6 = 1.0 / 720,
                   c7 = 1.0 / 5040, c8 = 1.0 / 40320, c9 = 1.0 / 362880, c10 = 1.0 / 3628800,
                   c11 = 1.0 / 39916800, c12 = 1.0 / 479001600, c13 = 1.0 / 6227020800,
                   c14 = 1.0 / 87178291200;
  const double r2 = r * r, r4 = r2 * r2;
  const double low = (c2 + c3 * r) + (c4 + c5 * r) * r2;
  const double middle = (c6 + c7 * r) + (c8 + c9 * r) * r2;
  const double high = (c10 + c11 * r) + (c12 + c13 * r) * r2 + c14 * r4;
  return low + r4 * (middle + r4 * high);
}

// (1 + 2 x) exp(x^2) erfc(x) in t = (x - 3.75) / (x + 3.75): the form of Shepherd and Laframboise, "Chebyshev
// Approximation of (1+2x)exp(x^2)erfc x in 0 <= x < inf" (Mathematics of Computation 36, 1981). The
// coefficients were computed with 60 digits.
constexpr std::array<double, 30> kErfcx{
    1.17757893456740175,      -0.00459005458064647733,  -0.0842491333665179156,
    0.0592099399981918905,    -0.0266586684353057523,   0.00907499767070526509,
    -0.00241316354041760819,  0.000490775836525808632,  -0.0000691697330250120637,
    4.13902798607301017e-6,   7.74038306619849067e-7,   -2.18864010492343957e-7,
    1.07649994656709104e-8,   4.5219598112182869e-9,    -7.75440020883135111e-10,
    -6.31808834088668449e-11, 2.8687950109306699e-11,   1.94558685457773472e-13,
    -9.65469674843343891e-13, 3.25254814814873984e-14,  3.34781194828680539e-14,
    -1.8645628804193131e-15,  -1.25079505306886471e-15, 7.41823525662404346e-17,
    5.06814890479611132e-17,  -2.2370566594359996e-18,  -2.18734294430301766e-18,
    2.67663273992587617e-20,  9.73656140174145077e-20,  3.32148409051013006e-21};

// erf(x) / x in t = 2 x^2 - 1, for |x| <= 1.
constexpr std::array<double, 14> kErf{
    0.975476939382654096,     -0.142261205103713642,   0.0100355821875997956,
    -0.000576876469976748477, 0.000027419931252196061, -1.10431755073445076e-6,
    3.84887554203450369e-8,   -1.1808582533875467e-9,  3.23342158260509096e-11,
    -7.99101594700454876e-13, 1.79907251139614556e-14, -3.71863548781869264e-16,
    7.10359900371425297e-18,  -1.26124551191552258e-19};

/// For x >= 0.
double PositiveErfcx(double x) {
  if (x > 1e15) return 1 / (x * std::sqrt(M_PI));  // t would be 1 and lose x
  return Chebyshev(kErfcx, (x - 3.75) / (x + 3.75)) / (1 + 2 * x);
}

/// exp(-x^2), with x^2 as a sum of two numbers: rounded to one it would lose digits of the result.
double ExpMinusSquare(double x) {
  const double high =
      std::bit_cast<double>(std::bit_cast<std::uint64_t>(x) & ~std::uint64_t{0x7ffffff});
  return Exp(-high * high) * Exp(-(x - high) * (x + high));
}

}  // namespace

double Exp(double x) {
  if (std::isnan(x)) return x;
  if (x > 709.782712893384) return kInfinity;
  if (x < -745.1332191019412) return 0;
  const double n = std::nearbyint(x * kInverseLn2);
  const double r = (x - n * kLn2High) - n * kLn2Low;
  const double mantissa = 1 + (r + r * r * ExpTail(r));
  // In two steps: 2^n alone may be out of range where the product is not.
  const int half = static_cast<int>(n) / 2;
  return mantissa * PowerOfTwo(half) * PowerOfTwo(static_cast<int>(n) - half);
}

double Expm1(double x) {
  if (std::abs(x) <= 0.35) return x + x * x * ExpTail(x);
  return Exp(x) - 1;
}

double Log(double x) {
  if (std::isnan(x) || x == kInfinity) return x;
  if (x <= 0) return x == 0 ? -kInfinity : kNaN;
  int exponent = 0;
  if (x < std::numeric_limits<double>::min()) {
    x *= 0x1p54;
    exponent = -54;
  }
  // x = 2^exponent m with m in [sqrt(1/2), sqrt(2)): the mantissa above sqrt(1/2) is taken off and put back.
  constexpr std::uint64_t kSqrtHalf = 0x3fe6a09e667f3bcd;
  const std::uint64_t off = std::bit_cast<std::uint64_t>(x) - kSqrtHalf;
  exponent += static_cast<int>(static_cast<std::int64_t>(off) >> 52);
  const double m = std::bit_cast<double>((off & 0xfffffffffffff) + kSqrtHalf);
  // log m = 2 artanh s with s = (m - 1) / (m + 1), written so that the exact m - 1 leads the sum.
  const double f = m - 1, s = f / (m + 1), z = s * s;
  double series = 0;
  for (int k = 23; k >= 3; k -= 2) series = series * z + 2.0 / k;
  const double half_square = 0.5 * f * f;
  return exponent * kLn2High -
         ((half_square - (s * (half_square + series * z) + exponent * kLn2Low)) - f);
}

double Log1p(double x) {
  const double y = 1 + x;
  if (y == 1) return x;
  if (!(y > 0) || y == kInfinity) return Log(y);
  return Log(y) * (x / (y - 1));  // the rounding of 1 + x cancels
}

double Pow(double base, double power) {
  if (power == 0) return 1;
  return Exp(power * Log(base));
}

double Erf(double x) {
  if (std::abs(x) <= 1) return x * Chebyshev(kErf, 2 * x * x - 1);
  return x < 0 ? Erfc(-x) - 1 : 1 - Erfc(x);
}

double Erfc(double x) {
  if (std::isnan(x)) return x;
  if (std::abs(x) <= 0.5) return 1 - x * Chebyshev(kErf, 2 * x * x - 1);
  if (x < 0) return 2 - Erfc(-x);
  return x > 27.3 ? 0 : ExpMinusSquare(x) * PositiveErfcx(x);
}

double Erfcx(double x) {
  if (std::isnan(x)) return x;
  if (x >= 0) return PositiveErfcx(x);
  if (x < -26.7) return kInfinity;
  const double high =
      std::bit_cast<double>(std::bit_cast<std::uint64_t>(x) & ~std::uint64_t{0x7ffffff});
  return 2 * Exp(high * high) * Exp((x - high) * (x + high)) - PositiveErfcx(-x);
}

double NormalCdf(double x) { return 0.5 * Erfc(-x * M_SQRT1_2); }

double LogNormalCdf(double x) {
  if (x >= -1) return Log1p(-0.5 * Erfc(x * M_SQRT1_2));
  return Log(0.5 * Erfcx(-x * M_SQRT1_2)) - 0.5 * x * x;
}

double LogNormalMass(double a, double b) {
  if (a > 0) return LogNormalMass(-b, -a);
  const double h = b - a, middle = a + h / 2;
  if (h * (1 + std::abs(middle)) < 1e-3) {  // a difference would lose digits: midpoint, next order
    return -0.5 * middle * middle - kHalfLog2Pi + Log(h) +
           Log1p((middle * middle - 1) * h * h / 24);
  }
  if (b > 0) return Log1p(-NormalCdf(a) - NormalCdf(-b));
  const double upper = LogNormalCdf(b);
  return upper + Log(-Expm1(LogNormalCdf(a) - upper));
}

}  // namespace muster::math
