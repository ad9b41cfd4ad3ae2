#include "tuner/samplers/parzen_sum.h"

#include <algorithm>
#include <limits>

#include "runtime/base/exp_lane.h"

namespace muster::tuner {
namespace {

/// Four kernels. A vector of the language's extension: two registers without AVX.
typedef double Four [[gnu::vector_size(32)]];
/// The same somewhere in an array.
typedef double FourAt [[gnu::vector_size(32), gnu::aligned(8), gnu::may_alias]];
/// Kernels that are handled side by side, which hides that an addition waits for the one before it.
constexpr std::size_t kFours = 4;

[[gnu::always_inline]] inline const FourAt& Load(const double* from) {
  return *reinterpret_cast<const FourAt*>(from);
}

[[gnu::always_inline]] inline double FillTermsBody(const KernelColumns& columns, std::size_t from,
                                                   double* terms, std::size_t count) {
  double largest = -std::numeric_limits<double>::infinity();
  Four top = Four{} + largest;
  std::size_t i = 0;
  for (; i + 4 * kFours <= count; i += 4 * kFours) {
    const std::size_t k = from + i;
    Four sum[kFours];
    for (std::size_t f = 0; f < kFours; ++f) sum[f] = Load(columns.bias + k + 4 * f);
    for (const double* constant : columns.constants) {
      for (std::size_t f = 0; f < kFours; ++f) sum[f] += Load(constant + k + 4 * f);
    }
    for (const auto& [x, mu, inverse] : columns.normals) {
      for (std::size_t f = 0; f < kFours; ++f) {
        const Four z = (x - Load(mu + k + 4 * f)) * Load(inverse + k + 4 * f);
        sum[f] -= z * z;
      }
    }
    for (const auto& [group, row] : columns.groups) {
      for (std::size_t f = 0; f < kFours; ++f) {
        const std::uint32_t* g = group + k + 4 * f;
        sum[f] += Four{row[g[0]], row[g[1]], row[g[2]], row[g[3]]};
      }
    }
    for (std::size_t f = 0; f < kFours; ++f) {
      *reinterpret_cast<FourAt*>(terms + i + 4 * f) = sum[f];
      top = sum[f] > top ? sum[f] : top;
    }
  }
  for (std::size_t lane = 0; lane < 4; ++lane) largest = std::max(largest, top[lane]);
  for (; i < count; ++i) {
    const std::size_t k = from + i;
    double sum = columns.bias[k];
    for (const double* constant : columns.constants) sum += constant[k];
    for (const auto& [x, mu, inverse] : columns.normals) {
      const double z = (x - mu[k]) * inverse[k];
      sum -= z * z;
    }
    for (const auto& [group, row] : columns.groups) sum += row[group[k]];
    terms[i] = sum;
    largest = std::max(largest, sum);
  }
  return largest;
}

[[gnu::always_inline]] inline void ExpBelowBody(double* terms, std::size_t count, double largest) {
  for (std::size_t i = 0; i < count; ++i) {
    const double x = terms[i] - largest;
    terms[i] = math::ExpLane(x < kLeastTerm ? kLeastTerm : x);
  }
}

[[gnu::always_inline]] inline double DotBody(const double* terms, std::size_t count,
                                             const double* weights) {
  Four even{}, odd{};
  std::size_t i = 0;
  for (; i + 8 <= count; i += 8) {
    even += Load(terms + i) * Load(weights + i);
    odd += Load(terms + i + 4) * Load(weights + i + 4);
  }
  even += odd;
  double rest = 0;
  for (; i < count; ++i) rest += terms[i] * weights[i];
  return ((even[0] + even[1]) + (even[2] + even[3])) + rest;
}

#ifdef __x86_64__
// Chosen by hand: the resolver that target_clones makes runs before a sanitizer is ready.
[[gnu::target("avx2")]] double FillTermsAvx2(const KernelColumns& columns, std::size_t from,
                                             double* terms, std::size_t count) {
  return FillTermsBody(columns, from, terms, count);
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

double FillTerms(const KernelColumns& columns, std::size_t from, std::span<double> terms) {
#ifdef __x86_64__
  if (HasAvx2()) return FillTermsAvx2(columns, from, terms.data(), terms.size());
#endif
  return FillTermsBody(columns, from, terms.data(), terms.size());
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
