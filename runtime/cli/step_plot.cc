#include "runtime/cli/step_plot.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "runtime/cli/context.h"

namespace muster::cli {
namespace {

constexpr int kColumns = 64, kRows = 9;

/// The row of each column's value, 0 on top; -1 before the first step.
std::vector<int> RowsOf(const StepPlot& plot, double low, double high) {
  std::vector<int> rows(kColumns, -1);
  for (int column = 0; column < kColumns; ++column) {
    const double x = plot.begin + (plot.end - plot.begin) * (column + 1) / kColumns;
    for (const Step& step : plot.steps) {
      // Rounding must not move the last step beyond the axis.
      if (step.x > x && !(column + 1 == kColumns && step.x <= plot.end)) break;
      const double share = high > low ? (high - step.y) / (high - low) : 0.5;
      rows[static_cast<std::size_t>(column)] = static_cast<int>(std::lround(share * (kRows - 1)));
    }
  }
  return rows;
}

std::string Right(const std::string& text, std::size_t width) {
  return std::string(width - std::min(width, text.size()), ' ') + text;
}

}  // namespace

std::string Draw(const StepPlot& plot) {
  double low = plot.steps[0].y, high = low;
  for (const Step& step : plot.steps) {
    low = std::min(low, step.y);
    high = std::max(high, step.y);
  }
  const std::vector<int> rows = RowsOf(plot, low, high);
  std::vector<std::string> canvas(kRows, std::string(kColumns, ' '));
  for (std::size_t column = 0; column < rows.size(); ++column) {
    if (rows[column] < 0) continue;
    const int before = column > 0 && rows[column - 1] >= 0 ? rows[column - 1] : rows[column];
    for (int row = std::min(before, rows[column]); row <= std::max(before, rows[column]); ++row) {
      canvas[static_cast<std::size_t>(row)][column] = '|';
    }
    canvas[static_cast<std::size_t>(rows[column])][column] = '*';
  }
  const std::string top = Short(high), bottom = Short(low);
  const std::size_t width = std::max(top.size(), bottom.size());
  std::string text = plot.title + "\n";
  for (std::size_t row = 0; row < canvas.size(); ++row) {
    const bool flat = !(high > low);
    const std::string& label = row == 0 && !flat                   ? top
                               : row + 1 == canvas.size() && !flat ? bottom
                                                                   : "";
    const bool middle = flat && row == canvas.size() / 2;
    std::string line = Right(middle ? top : label, width) + " |" + canvas[row];
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + "\n";
  }
  const std::string left = plot.label(plot.begin), right = plot.label(plot.end);
  text += std::string(width + 1, ' ') + "+" + std::string(kColumns, '-') + "\n" +
          std::string(width + 2, ' ') + left +
          Right(right,
                static_cast<std::size_t>(kColumns) - std::min<std::size_t>(left.size(), kColumns)) +
          "\n";
  return text;
}

std::string ClockText(double seconds) {
  const auto whole = static_cast<long long>(seconds);
  char text[48];
  std::snprintf(text, sizeof text, "%lld:%02lld:%02lld", whole / 3600, whole / 60 % 60, whole % 60);
  return text;
}

}  // namespace muster::cli
