#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "tuner/space.h"

/// The mixture of product kernels under the tree-structured Parzen estimator: Bergstra, Bardenet, Bengio,
/// Kegl, "Algorithms for Hyper-Parameter Optimization" (NIPS 2011). Its parts are compared by Watanabe,
/// "Tree-Structured Parzen Estimator: Understanding Its Algorithm Components" (arXiv 2304.11127). A kernel's
/// bandwidth is the wider of the gaps to its neighbours, at least range / min(100, kernels + 1): the choice
/// of Hyperopt and of Optuna's univariate sampler, but without the prior among the neighbours. (Optuna's
/// multivariate sampler gives all kernels of a parameter one bandwidth.)
///
/// One kernel an observation, plus the prior. A kernel is a product over the candidate's active
/// parameters: a truncated normal on the parameter's (log) scale, its mass over a cell for integers, a
/// smoothed category. Where the observation lacks a parameter (it was inactive), its factor is the prior's,
/// so conditional spaces stay joint.

namespace muster::tuner {

class ParzenEstimator {
 public:
  /// `observations` in the order of their trial number; the newest 25 weigh 1, older ones less.
  ParzenEstimator(const Space& space, const std::vector<const Point*>& observations);

  /// A draw from the mixture.
  [[nodiscard]] Point Draw(Random& random) const;
  /// Log density at a point (its mass, for discrete parameters); never NaN.
  [[nodiscard]] double LogDensity(const Point& point) const;

 private:
  struct Kernel {  ///< of one numeric parameter, on the internal scale
    double mu = 0, sigma = 1;
  };
  struct Dimension {
    bool numeric = false;
    double low = 0, high = 1;  ///< internal scale; a cell's half is added for integers
    /// One an observation, in order; empty where it was inactive.
    std::vector<std::optional<Kernel>> kernels;
    std::vector<std::optional<std::size_t>> categories;
    std::size_t choices = 0;
  };

  [[nodiscard]] static Kernel KernelOf(const Dimension& dimension, std::size_t kernel);
  [[nodiscard]] double LogFactor(std::size_t dimension, std::size_t kernel, double value) const;
  [[nodiscard]] double DrawFactor(std::size_t dimension, std::size_t kernel, Random& random) const;
  void FitNumeric(std::size_t dimension, const std::vector<const Point*>& observations);

  const Space& space_;
  std::vector<double> weights_;  ///< normalised; the last is the prior's
  std::vector<Dimension> dimensions_;
};

}  // namespace muster::tuner
