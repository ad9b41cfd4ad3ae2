#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace muster::tuner {

/// Losses, one an objective: smaller is better.
using Losses = std::vector<double>;

/// Whether `a` is nowhere worse than `b` and somewhere better.
bool Dominates(const Losses& a, const Losses& b);

/// Per point how many fronts have to be taken away before nothing dominates it: 0 is the Pareto front. Equal
/// points have equal ranks. Infinities are values like others; NaN is not allowed; all points have the same
/// number of objectives, one or more. O(n log^2 n) for up to three objectives, by Jensen's sweep ("Reducing the
/// run-time complexity of multiobjective EAs", 2003); O(n^2) comparisons at worst for more.
std::vector<std::size_t> NonDominatedRanks(std::span<const Losses> points);

/// The same under constrained domination (Deb et al. 2002): feasible points (violation 0) first, as above;
/// after all of them the others by violation alone.
std::vector<std::size_t> NonDominatedRanks(std::span<const Losses> points,
                                           std::span<const double> violations);

/// Deb's distance of a point to its neighbours of the same front, summed over the objectives, each scaled to
/// the front's range; +infinity at the ends. A larger one is the lonelier.
std::vector<double> CrowdingDistances(std::span<const Losses> front);

}  // namespace muster::tuner
