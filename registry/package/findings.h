#pragma once

#include <string>
#include <vector>

#include "registry/package/package.h"

/// What the model card and the bill of materials both say of a version, in words. Pure.

namespace muster::registry {

/// "image-classification", "tabular-regression", ... as Hugging Face names tasks; "other".
std::string HubTask(const PackageSpec& spec);

/// A figure over a part of the held-out rows.
struct SegmentFigure {
  std::string segment;  ///< "class 3", "region 2"
  std::string metric;   ///< "recall", "test/accuracy"
  double value = 0;
  std::int64_t rows = 0;  ///< that it rests on
};
/// Segments without rows are left out.
std::vector<SegmentFigure> SegmentFigures(const PackageSpec& spec);

/// True for the verdict of a gate that compares groups.
bool IsFairness(const GateVerdict& verdict);

/// Sentences on what is not known of the model, or known to be weak. Never empty.
std::vector<std::string> Limits(const PackageSpec& spec);

}  // namespace muster::registry
