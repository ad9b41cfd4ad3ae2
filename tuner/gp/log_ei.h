#pragma once

namespace muster::tuner::gp {

/// A function of one number and its derivative.
struct Slope {
  double value = 0, derivative = 0;
};

/// log h(z) with h(z) = phi(z) + z Phi(z), phi and Phi the standard normal density and distribution function:
/// Ament, Daulton, Eriksson, Balandat, Bakshy, "Unexpected Improvements to Expected Improvement for Bayesian
/// Optimization" (NeurIPS 2023, arXiv 2310.20708), equation 9. The logarithm of the expected improvement on a
/// best value b of a normal variable is LogH((b - mean) / sigma) + log sigma. Finite for |z| below 1e150;
/// errors below 1e-11 (1 + |value|).
Slope LogH(double z);

/// log Phi(z): of the probability that a normal variable is at most b, z = (b - mean) / sigma.
Slope LogPhi(double z);

}  // namespace muster::tuner::gp
