#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

/// The inner loops of a mixture's density, apart so that they become vector instructions. Elementwise they are
/// IEEE basic operations and sums have a fixed order, so every instruction set gives the same bits.

namespace muster::tuner {

/// How many kernels are handled at a time.
inline constexpr std::size_t kKernelBlock = 64;

/// What a point sees of a mixture: column by column, one entry a kernel.
struct KernelColumns {
  struct Normal {
    double x = 0;
    const double* mu = nullptr;
    const double* inverse = nullptr;  ///< 1 / (sigma sqrt(2))
  };
  struct Group {
    const std::uint32_t* group = nullptr;
    const double* row = nullptr;  ///< log factors by group
  };
  const double* bias = nullptr;
  std::vector<const double*> constants;
  std::vector<Normal> normals;
  std::vector<Group> groups;
};

/// terms[i] = bias + constants - ((x - mu) inverse)^2 of the normals + rows[group], of kernel from + i. Answers
/// the largest.
double FillTerms(const KernelColumns& columns, std::size_t from, std::span<double> terms);
/// terms[i] = exp(terms[i] - largest), for terms up to `largest`, with a relative error below 1e-15. Below
/// largest + kLeastTerm it is exp(kLeastTerm): nothing, and yet no subnormal once a weight is multiplied, which
/// would take a CPU a hundred times as long.
inline constexpr double kLeastTerm = -600;
void ExpBelow(std::span<double> terms, double largest);
/// sum of terms[i] weights[i]
double Dot(std::span<const double> terms, const double* weights);

}  // namespace muster::tuner
