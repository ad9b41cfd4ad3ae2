#include "registry/onnx/picture/svg.h"

#include <algorithm>
#include <cstdio>
#include <iterator>

#include "registry/onnx/picture/drawing.h"

namespace muster::onnx {
namespace {

constexpr double kTitle = 7.2, kText = 6.1;  ///< a character's width at most, in the sizes below
constexpr double kLine = 14, kPad = 8, kTop = 30;

std::string Escaped(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '<') {
      out += "&lt;";
    } else if (c == '>') {
      out += "&gt;";
    } else if (c == '&') {
      out += "&amp;";
    } else if (c == '"') {
      out += "&quot;";
    } else {
      out += c;
    }
  }
  return out;
}

std::string Fixed(double number) {
  char text[32];
  std::snprintf(text, sizeof(text), "%.1f", number);
  return text;
}

Extent SizeOf(const Box& box) {
  double width = kTitle * static_cast<double>(box.title.size());
  for (const std::string& line : box.lines)
    width = std::max(width, kText * static_cast<double>(line.size()));
  return {std::max(width + 2 * kPad, 56.0),
          kLine * static_cast<double>(1 + box.lines.size()) + 2 * kPad - 2};
}

/// A class of the style sheet by what an operator is for.
std::string_view ClassOf(const Box& box) {
  switch (box.kind) {
    case Box::Kind::kInput:
    case Box::Kind::kOutput:
      return "end";
    case Box::Kind::kModule:
      return "module";
    case Box::Kind::kNode:
      break;
  }
  static constexpr std::string_view kProducts[] = {"Conv", "Gemm", "MatMul", "LSTM",
                                                   "GRU",  "RNN",  "Einsum"};
  static constexpr std::string_view kForms[] = {
      "Reshape", "Transpose", "Concat", "Flatten", "Squeeze", "Unsqueeze",
      "Slice",   "Split",     "Gather", "Expand",  "Shape",   "Pad",
      "Cast",    "Identity",  "Tile",   "Resize",  "Constant"};
  const auto begins = [&](std::string_view prefix) { return box.op.starts_with(prefix); };
  if (std::ranges::any_of(kProducts, begins) || box.op.starts_with("QLinear")) return "product";
  if (std::ranges::any_of(kForms, begins)) return "form";
  if (box.op.ends_with("Pool") || box.op.starts_with("Reduce")) return "pool";
  if (box.op.ends_with("Normalization")) return "norm";
  return "plain";
}

constexpr std::string_view kStyle = R"(<style>
text{font:11px "DejaVu Sans",Helvetica,Arial,sans-serif;fill:#333}
.t{font-weight:bold;font-size:12px;fill:#111}.c{font-size:13px;fill:#111}
.l,.h{font-size:10px;fill:#667}.h{fill:#fff;stroke:#fff;stroke-width:3px}
rect{stroke:#8a8f98;stroke-width:1;rx:5}
.plain{fill:#f4f4ee}.product{fill:#d6e6f7}.form{fill:#ececf0}.pool{fill:#dcefdc}.norm{fill:#f6e9cf}
.end{fill:#fff;stroke:#333;stroke-width:1.5}.module{fill:#e6e0f3}
path{fill:none;stroke:#8a8f98;stroke-width:1.2}
</style>
)";

void AppendText(std::string& svg, Point at, std::string_view style, const std::string& text,
                std::string_view anchor = "middle") {
  svg += "<text x=\"" + Fixed(at.x) + "\" y=\"" + Fixed(at.y) + "\" text-anchor=\"" +
         std::string(anchor) + "\"";
  if (!style.empty()) svg += " class=\"" + std::string(style) + "\"";
  svg += ">" + Escaped(text) + "</text>\n";
}

/// A curve through the points that enters and leaves each of them downward.
void AppendRoute(std::string& svg, const std::vector<Point>& route) {
  svg +=
      "<path marker-end=\"url(#tip)\" d=\"M" + Fixed(route[0].x) + " " + Fixed(route[0].y + kTop);
  for (std::size_t i = 1; i < route.size(); ++i) {
    const Point& a = route[i - 1];
    const Point& b = route[i];
    const double middle = (a.y + b.y) / 2 + kTop;
    svg += "C" + Fixed(a.x) + " " + Fixed(middle) + " " + Fixed(b.x) + " " + Fixed(middle) + " " +
           Fixed(b.x) + " " + Fixed(b.y + kTop);
  }
  svg += "\"/>\n";
}

void AppendBox(std::string& svg, const Box& box, Point middle, Extent size) {
  const double left = middle.x - size.width / 2;
  const double top = middle.y - size.height / 2 + kTop;
  svg += "<rect class=\"" + std::string(ClassOf(box)) + "\" x=\"" + Fixed(left) + "\" y=\"" +
         Fixed(top) + "\" width=\"" + Fixed(size.width) + "\" height=\"" + Fixed(size.height) +
         "\" rx=\"" +
         (box.kind == Box::Kind::kInput || box.kind == Box::Kind::kOutput ? "13" : "4") + "\"/>\n";
  AppendText(svg, {middle.x, top + kPad + 10}, "t", box.title);
  for (std::size_t i = 0; i < box.lines.size(); ++i) {
    AppendText(svg, {middle.x, top + kPad + 10 + kLine * static_cast<double>(i + 1)}, "",
               box.lines[i]);
  }
}

}  // namespace

Result<std::string> Svg(const Model& model, const SvgOptions& options) {
  const Drawing drawing = Draw(model, options.depth);
  std::vector<Extent> sizes(drawing.boxes.size());
  std::ranges::transform(drawing.boxes, sizes.begin(), SizeOf);
  MUSTER_ASSIGN_OR_RETURN(const Layout layout, Arrange(sizes, drawing.arrows));
  // Labels stand beside their arrow and may pass the last box.
  const double caption = 7.5 * static_cast<double>(drawing.caption.size()) + 40;
  const double drawn = layout.size.width + 60;
  const std::string width = Fixed(std::max(drawn, caption));
  const std::string height = Fixed(layout.size.height + kTop);
  std::string svg = "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"" + width + "\" height=\"" +
                    height + "\" viewBox=\"0 0 " + width + " " + height + "\">\n";
  svg += kStyle;
  svg +=
      "<defs><marker id=\"tip\" markerWidth=\"7\" markerHeight=\"7\" refX=\"6\" refY=\"3\" "
      "orient=\"auto\">"
      "<path d=\"M0 0L6 3L0 6z\" style=\"fill:#8a8f98;stroke:none\"/></marker></defs>\n"
      "<rect width=\"100%\" height=\"100%\" style=\"fill:#fff;stroke:none\"/>\n";
  AppendText(svg, {20, 26}, "c", drawing.caption, "start");
  svg += "<g transform=\"translate(" + Fixed(std::max(0.0, (caption - drawn) / 2)) + " 0)\">\n";
  for (const auto& route : layout.routes) AppendRoute(svg, route);
  for (std::size_t i = 0; i < drawing.boxes.size(); ++i) {
    AppendBox(svg, drawing.boxes[i], layout.boxes[i], sizes[i]);
  }
  for (std::size_t i = 0; i < drawing.arrows.size(); ++i) {
    if (drawing.labels[i].empty()) continue;
    const Point& start = layout.routes[i].front();
    // A white rim of its own first: not every program knows paint-order.
    for (const std::string_view style : {"h", "l"}) {
      AppendText(svg, {start.x + 5, start.y + kTop + 15}, style, drawing.labels[i], "start");
    }
  }
  return svg + "</g>\n</svg>\n";
}

}  // namespace muster::onnx
