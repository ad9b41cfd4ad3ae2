#pragma once

#include <cstddef>
#include <span>
#include <vector>

/// The search distribution of CMA-ES, N(m, sigma^2 C), with its update: Hansen, "The CMA Evolution Strategy: A
/// Tutorial" (arXiv 1604.00772), with active (negative) weights. The letters are the tutorial's: m mean, sigma
/// step size, C covariance, p_sigma and p_c evolution paths, lambda points of which mu = lambda / 2 recombine,
/// w weights, mu_eff their variance-effective number, B D^2 B^T = C.

namespace muster::tuner {

using Vector = std::vector<double>;
/// Square, row after row.
using Matrix = std::vector<double>;

/// Constants of n dimensions and lambda points; eqs. 48 to 58.
struct CmaConstants {
  CmaConstants(std::size_t n, std::size_t lambda);

  std::size_t mu = 0;
  Vector weights;  ///< lambda of them, descending; positive ones add up to 1
  double mu_eff = 0, c_sigma = 0, d_sigma = 0, c_c = 0, c_1 = 0, c_mu = 0;
};

/// lambda = 4 + floor(3 ln n), n >= 1.
std::size_t DefaultLambda(std::size_t n);

class CmaModel {
 public:
  CmaModel(Vector mean, double sigma);

  /// m + sigma B D z.
  [[nodiscard]] Vector At(std::span<const double> z) const;
  /// C^(-1/2) (x - m) / sigma: z up to a rotation.
  [[nodiscard]] Vector Whitened(std::span<const double> x) const;
  /// The x of which Whitened makes z: m + sigma C^(1/2) z.
  [[nodiscard]] Vector Colored(std::span<const double> z) const;
  /// Standard deviation of a coordinate.
  [[nodiscard]] double Deviation(std::size_t coordinate) const;

  struct Ranked {
    Vector x;
    bool injected = false;  ///< not a draw of this distribution
  };
  /// One generation: two points or more, best first; constants are those of their number. Injected points are
  /// moved towards the mean until their Mahalanobis length is at most sqrt(n) + 2n / (n + 2), and the step of
  /// the mean is bounded likewise when some are: Hansen, "Injecting external solutions into CMA-ES"
  /// (arXiv 1110.4181).
  void Update(const std::vector<Ranked>& points);

  [[nodiscard]] const Vector& mean() const { return mean_; }
  [[nodiscard]] double sigma() const { return sigma_; }
  [[nodiscard]] const Matrix& covariance() const { return c_; }
  [[nodiscard]] const Vector& p_sigma() const { return p_sigma_; }
  [[nodiscard]] const Vector& p_c() const { return p_c_; }
  [[nodiscard]] std::size_t generation() const { return generation_; }
  /// Largest to smallest eigenvalue of C.
  [[nodiscard]] double condition() const;

 private:
  void Decompose();

  std::size_t n_;
  Vector mean_;
  double sigma_;
  Matrix c_, b_;  ///< columns of b_ are eigenvectors
  Vector d_;      ///< square roots of the eigenvalues, ascending
  Vector p_sigma_, p_c_;
  std::size_t generation_ = 0;
};

}  // namespace muster::tuner
