#include "tuner/samplers/parzen_sum.h"

#include <array>
#include <bit>

namespace muster::tuner {
namespace {

constexpr std::size_t kLanes = 8;

[[gnu::always_inline]] inline void AddNormalsBody(double* terms, std::size_t count, double x,
                                                  const double* mu, const double* inverse) {
  for (std::size_t i = 0; i < count; ++i) {
    const double z = (x - mu[i]) * inverse[i];
    terms[i] -= 0.5 * (z * z);
  }
}

/// exp for -708 <= x <= 0: 2^n times the Taylor polynomial of the rest, |rest| <= log(2) / 2.
[[gnu::always_inline]] inline double ExpOf(double x) {
  constexpr double kRound = 0x1.8p52;  // its last bit has the value 1
  const double shifted = x * 0x1.71547652b82fep+0 + kRound;
  const double n = shifted - kRound;
  const double r = (x - n * 0x1.62e42feep-1) - n * 0x1.a39ef35793c76p-33;
  double sum = 1.0 / 6227020800;
  sum = sum * r + 1.0 / 479001600;
  sum = sum * r + 1.0 / 39916800;
  sum = sum * r + 1.0 / 3628800;
  sum = sum * r + 1.0 / 362880;
  sum = sum * r + 1.0 / 40320;
  sum = sum * r + 1.0 / 5040;
  sum = sum * r + 1.0 / 720;
  sum = sum * r + 1.0 / 120;
  sum = sum * r + 1.0 / 24;
  sum = sum * r + 1.0 / 6;
  sum = sum * r + 0.5;
  sum = sum * (r * r) + r + 1;
  return std::bit_cast<double>(std::bit_cast<std::uint64_t>(sum) +
                               (std::bit_cast<std::uint64_t>(shifted) << 52));
}

[[gnu::always_inline]] inline void ExpBelowBody(double* terms, std::size_t count, double largest) {
  for (std::size_t i = 0; i < count; ++i) {
    const double x = terms[i] - largest;
    terms[i] = ExpOf(x < -708 ? -708 : x);
  }
}

[[gnu::always_inline]] inline double DotBody(const double* terms, std::size_t count,
                                             const double* weights) {
  std::array<double, kLanes> sums{};
  std::size_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    for (std::size_t lane = 0; lane < kLanes; ++lane) {
      sums[lane] += terms[i + lane] * weights[i + lane];
    }
  }
  for (std::size_t lane = 0; i < count; ++i, ++lane) sums[lane] += terms[i] * weights[i];
  return ((sums[0] + sums[1]) + (sums[2] + sums[3])) + ((sums[4] + sums[5]) + (sums[6] + sums[7]));
}

#ifdef __x86_64__
// Chosen by hand: the resolver that target_clones makes runs before a sanitizer is ready.
[[gnu::target("avx2")]] void AddNormalsAvx2(double* terms, std::size_t count, double x,
                                            const double* mu, const double* inverse) {
  AddNormalsBody(terms, count, x, mu, inverse);
}
[[gnu::target("avx2")]] void ExpBelowAvx2(double* terms, std::size_t count, double largest) {
  ExpBelowBody(terms, count, largest);
}
[[gnu::target("avx2")]] double DotAvx2(const double* terms, std::size_t count,
                                       const double* weights) {
  return DotBody(terms, count, weights);
}
bool HasAvx2() {
  static const bool has = __builtin_cpu_supports("avx2") != 0;
  return has;
}
#endif

}  // namespace

void AddNormals(std::span<double> terms, double x, const double* mu, const double* inverse) {
#ifdef __x86_64__
  if (HasAvx2()) return AddNormalsAvx2(terms.data(), terms.size(), x, mu, inverse);
#endif
  AddNormalsBody(terms.data(), terms.size(), x, mu, inverse);
}

void ExpBelow(std::span<double> terms, double largest) {
#ifdef __x86_64__
  if (HasAvx2()) return ExpBelowAvx2(terms.data(), terms.size(), largest);
#endif
  ExpBelowBody(terms.data(), terms.size(), largest);
}

double Dot(std::span<const double> terms, const double* weights) {
#ifdef __x86_64__
  if (HasAvx2()) return DotAvx2(terms.data(), terms.size(), weights);
#endif
  return DotBody(terms.data(), terms.size(), weights);
}

}  // namespace muster::tuner
