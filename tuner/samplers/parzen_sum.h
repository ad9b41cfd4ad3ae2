#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

/// The inner loops of a mixture's density, apart so that they become vector instructions. Elementwise they
/// are IEEE basic operations and sums have a fixed order, so every instruction set gives the same bits.

namespace muster::tuner {

/// How many kernels are handled at a time.
inline constexpr std::size_t kKernelBlock = 256;

/// terms[i] -= 0.5 ((x - mu[i]) inverse[i])^2
void AddNormals(std::span<double> terms, double x, const double* mu, const double* inverse);
/// terms[i] = exp(terms[i] - largest), for terms up to `largest`; below largest - 708 it is exp(-708). The relative
/// error is below 1e-15.
void ExpBelow(std::span<double> terms, double largest);
/// sum of terms[i] weights[i]
double Dot(std::span<const double> terms, const double* weights);

}  // namespace muster::tuner
