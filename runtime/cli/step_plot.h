#pragma once

#include <functional>
#include <string>
#include <vector>

namespace muster::cli {

/// A value that holds from x on until the next one.
struct Step {
  double x = 0, y = 0;
};

struct StepPlot {
  std::string title;
  std::vector<Step> steps;    ///< at least one, by x; finite
  double begin = 0, end = 1;  ///< of the axis; begin <= the first x, the last x <= end
  std::function<std::string(double x)> label;  ///< of the ends of the axis
};

/// The curve in characters, 12 lines of at most 80 columns: the largest y on top, each column the value at its right
/// edge.
std::string Draw(const StepPlot& plot);

/// "1:02:03": hours, minutes and seconds.
std::string ClockText(double seconds);

}  // namespace muster::cli
