#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "runtime/base/random.h"
#include "tuner/insight/evidence.h"

/// What the objective is like, learnt from the trials by a random forest (Breiman, "Random Forests", 2001): its
/// permutation importance, and its partial dependence (Friedman, "Greedy function approximation", 2001). Every answer
/// is a function of the trials and the seed, bit for bit. NaN, the inactive parameter, is a value below all others.

namespace muster::tuner {

struct ForestOptions {
  int trees = 64;
  std::size_t leaf = 2;   ///< a leaf has at least as many trials
  double features = 0.5;  ///< share of the parameters that a split may choose from, at least one
  bool bootstrap = true;  ///< each tree learns from trials drawn with replacement; else from all
  std::uint64_t seed = 0;
};

/// A regression tree: the split that leaves the least squared error, at the middle between two values; a choice's values
/// are put in the order of their mean losses, which makes the best split of them one of that order.
class Tree {
 public:
  /// `rows` are indices of `seen`, at least one.
  Tree(const Space& space, const Evidence& seen, std::vector<std::size_t> rows,
       const ForestOptions& options, Random random);
  [[nodiscard]] double Predict(const Point& point) const;

 private:
  struct Node {
    std::size_t parameter = 0;
    double threshold = 0;             ///< a number up to it goes left
    std::vector<bool> left_choices;   ///< of a choice: by index, inactive last
    std::size_t left = 0, right = 0;  ///< nodes; both 0: a leaf
    double mean = 0;
  };
  struct Split;
  [[nodiscard]] bool GoesLeft(const Node& node, const Point& point) const;
  Split BestSplit(const Space& space, const Evidence& seen, std::span<const std::size_t> rows,
                  const ForestOptions& options, Random& random) const;

  std::vector<Node> nodes_;
};

class Forest {
 public:
  /// `seen` has at least one trial.
  Forest(const Space& space, const Evidence& seen, const ForestOptions& options = {});
  /// The mean of the trees, and each tree's own answer.
  [[nodiscard]] double Predict(const Point& point) const;
  [[nodiscard]] const std::vector<Tree>& trees() const { return trees_; }

 private:
  std::vector<Tree> trees_;
};

/// An estimate with its 95 % interval.
struct Estimate {
  double value = 0, low = 0, high = 0;
};

/// Per parameter how much of the objective's variance (as a share; may exceed 1) is lost when its values are shuffled
/// among the trials in which it is active: 0 of one that does nothing, where an interval that holds 0 cannot tell it
/// from one. The trials are split in halves, many times: a forest learns from one half and is tested on the other; the
/// estimate is the mean over the splits, and since a half-sample varies about as much as the whole sample does (Politis,
/// Romano and Wolf, "Subsampling", 1999), their deviation gives the interval. All 0 with fewer than eight trials or
/// an objective that does not vary. Of more than 4,000 trials, as many are drawn.
std::vector<Estimate> PermutationImportance(const Space& space, const Evidence& seen,
                                            std::uint64_t seed);

/// How the objective depends on one or two parameters, the others being as they were in the trials.
struct Dependence {
  std::vector<Point> at;  ///< on the internal scale; one coordinate a parameter asked for
  std::vector<Estimate>
      losses;  ///< mean over the trials; the interval is where 90 % of the trees lie
};

/// On a grid of at most 24 values of one parameter, or 12 x 12 of two; every value of a choice. Only trials count in
/// which the parameters are active; empty when there are none. Of more than 500 such trials, as many are drawn.
Dependence PartialDependence(const Space& space, const Evidence& seen,
                             const std::vector<std::size_t>& parameters, std::uint64_t seed);

}  // namespace muster::tuner
