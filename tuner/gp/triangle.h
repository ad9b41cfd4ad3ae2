#pragma once

#include <cstddef>

/// What the likelihood and the regression share of linear algebra.

namespace muster::tuner::gp {

/// Eigen cuts products into blocks by the size of the host's caches, and so adds in another order on another
/// host. Told sizes make it the same everywhere: to be called before any product.
void FixBlocks();

/// The inverse in place of a lower triangle: n columns of n.
void InvertLower(double* lower, std::size_t n);

}  // namespace muster::tuner::gp
