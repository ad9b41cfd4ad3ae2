#pragma once

#include <span>
#include <vector>

#include "tuner/insight/pareto.h"

/// The volume that a set of points dominates below a reference point, exactly, for one to three objectives in
/// O(n log n): the dimension sweep of Emmerich and Fonseca, "Computing Hypervolume Contributions in Low
/// Dimensions: Asymptotically Optimal Algorithm and Complexity Results" (EMO 2011), turned to minimisation.
///
/// Points that are not below the reference in every objective count for nothing. NaN and -infinity are not allowed.

namespace muster::tuner {

double Hypervolume(std::span<const Losses> points, const Losses& reference);

/// Per point what the volume would lose without it, where the points that others dominate are taken to be
/// absent: theirs is 0, and so is that of each of several equal points.
std::vector<double> HypervolumeContributions(std::span<const Losses> points,
                                             const Losses& reference);

}  // namespace muster::tuner
