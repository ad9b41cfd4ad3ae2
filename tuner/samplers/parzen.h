#pragma once

#include <cstdint>
#include <limits>
#include <map>
#include <span>
#include <vector>

#include "tuner/samplers/parzen_sum.h"
#include "tuner/space.h"

/// The mixture of product kernels under the tree-structured Parzen estimator: Bergstra, Bardenet, Bengio, Kegl,
/// "Algorithms for Hyper-Parameter Optimization" (NIPS 2011); its parts are compared by Watanabe,
/// "Tree-Structured Parzen Estimator: Understanding Its Algorithm Components" (arXiv 2304.11127). The formulas
/// are those of Optuna 5.0.0's multivariate sampler, to the last digits:
///
///   weights      1 for the 25 newest observations, a ramp from 1/n to 1 over the older ones, 1 for the prior
///   a number     a normal truncated to the scale's [low, high] at the observation. Its sigma is the wider of
///                the gaps to its neighbours (the outermost look inward only, a single one looks at the bounds),
///                within [range / min(100, n + 2), range]. With a step: the normal's mass over the value's cell.
///   a choice     1 for the observed one, plus 1 / (n + 1) for each, normalised
///   the prior    one more kernel: mu in the middle, sigma = range; choices alike
///
/// Where an observation lacks a parameter (it was inactive), that factor of its kernel is the prior's, and a
/// parameter that is inactive in a point has no factor there. Activity is a function of the parents' choices,
/// which are factors themselves, so a conditional space has one joint density.

namespace muster::tuner {

/// The weight of the prior.
inline constexpr double kParzenPrior = 1;

/// Holds the space by reference. What follows from observations is a function of their order and of which of
/// them count, however the object came there: it may be kept and added to.
class ParzenEstimator {
 public:
  /// `by_age` off: observations keep their own weights.
  explicit ParzenEstimator(const Space& space, bool by_age = true);

  /// One more observation, the newest, whose index is size(). It counts. `weight` in (0, 1] multiplies.
  void Add(const Point& point, double weight = 1);
  /// Whether an observation counts.
  void Count(std::size_t index, bool counts);
  [[nodiscard]] std::size_t size() const { return points_.size() - 1; }
  /// To be called between changes and what follows.
  void Fit();

  /// A draw from the mixture.
  [[nodiscard]] Point Draw(Random& random);
  /// Log density at points (mass, for discrete parameters); never NaN.
  void LogDensities(std::span<const Point> points, std::span<double> logs);
  [[nodiscard]] double LogDensity(const Point& point);

  /// A density that is summed up from the newest observations to the oldest; until the next change.
  struct Sum {
    KernelColumns columns;
    std::size_t left = 0;                  ///< blocks of kernels, see kKernelBlock
    double largest = -kInfinite, sum = 0;  ///< so far exp(largest) sum / weight_sum_
    double prior = -kInfinite;  ///< log density of the prior alone, whose block is the last
    double log = -kInfinite;    ///< of that and the prior: the log density is at least this
    double most = kInfinite;    ///< once `log` is above, no more is added
    static constexpr double kInfinite = std::numeric_limits<double>::infinity();
  };
  [[nodiscard]] Sum Begin(const Point& point);
  /// Adds up to so many blocks to each; all must have as many left. With all of them `log` is LogDensity().
  void Extend(std::span<Sum* const> sums, std::size_t blocks);

 private:
  /// Of an integer: kernels whose factors are equal.
  struct Group {
    double mu = 0, sigma = 1;
    double on_scale = 0;  ///< log of the normal's mass there; follows from the others
    friend bool operator==(const Group& a, const Group& b) {
      return a.mu == b.mu && a.sigma == b.sigma;
    }
  };
  struct Dimension {
    bool choice = false, discrete = false, conditional = false;
    double low = 0, high = 1;
    std::vector<std::uint32_t> order;  ///< of a number: counted observations by value
    std::vector<double> mu, inverse;   ///< of a number, by kernel: its centre, 1 / (sigma sqrt(2))
    std::vector<double> constant;      ///< of a float, by kernel: log of its factor at mu
    std::vector<std::uint32_t> group;  ///< of a discrete one, by kernel
    std::vector<Group> groups;         ///< of an integer
    /// Of a number, by kernel, once something was drawn: its mass below the scale, and on it (0: not known).
    std::vector<std::pair<double, double>> tails;
    /// Of a discrete one: value to log factor by group.
    std::map<double, std::vector<double>> rows;
  };
  void FitNumber(Dimension& dimension);
  void SetKernel(Dimension& dimension, std::size_t kernel, double sigma);
  void Weigh();
  [[nodiscard]] const std::vector<double>& Row(std::size_t dimension, double value);
  [[nodiscard]] KernelColumns ColumnsOf(const Point& point);
  [[nodiscard]] double DrawFactor(std::size_t dimension, std::size_t kernel, Random& random);

  const Space& space_;
  bool by_age_;
  std::vector<Dimension> dimensions_;
  // By kernel; the prior is number 0, observation i is number i + 1.
  std::vector<Point> points_;
  std::vector<double> own_weight_, weight_, bias_;
  std::vector<bool> counts_;
  std::vector<std::uint32_t> added_,
      changed_;  ///< kernels: since the last Fit; of another constant
  bool removed_ = false;
  std::size_t counted_ = 0;
  double weight_sum_ = 1;
};

}  // namespace muster::tuner
