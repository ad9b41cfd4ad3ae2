#pragma once

#include <cstddef>
#include <vector>

#include "runtime/base/result.h"

/// Layered drawing of a directed acyclic graph (Sugiyama, Tagawa and Toda 1981): no sizes of type or paper known here.

namespace muster::onnx {

struct Point {
  double x = 0, y = 0;
};
struct Extent {
  double width = 0, height = 0;
};

/// Box `from` above box `to`; from < to.
struct Arrow {
  std::size_t from = 0, to = 0;
};

struct Layout {
  std::vector<Point> boxes;  ///< the middle of each box
  std::vector<std::vector<Point>>
      routes;  ///< of each arrow: the border of `from`, points between, the border of `to`
  Extent size;
};

/// What Arrange draws at most: boxes, and crossings of arrows with layers.
inline constexpr std::size_t kMaxItems = 100'000;

/// Boxes in layers by longest path, each layer ordered by the barycentres of its neighbours (the order with the fewest
/// crossings of a fixed number of sweeps is kept), x by least squares towards the neighbours without overlap. The same
/// input gives the same layout. kUnsupported above kMaxItems, which says to draw less.
Result<Layout> Arrange(const std::vector<Extent>& boxes, const std::vector<Arrow>& arrows);

}  // namespace muster::onnx
