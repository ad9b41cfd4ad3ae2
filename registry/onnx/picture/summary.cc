#include "registry/onnx/picture/summary.h"

#include <algorithm>
#include <map>

#include "registry/onnx/picture/cost.h"

namespace muster::onnx {
namespace {

/// Columns under their headings; numbers (every column from `first_number` on) stand at the right.
class Columns {
 public:
  Columns(std::vector<std::string> headings, std::size_t first_number)
      : first_number_(first_number) {
    Add(std::move(headings));
  }
  void Add(std::vector<std::string> cells) {
    widths_.resize(cells.size());
    for (std::size_t i = 0; i < cells.size(); ++i)
      widths_[i] = std::max(widths_[i], cells[i].size());
    rows_.push_back(std::move(cells));
  }
  [[nodiscard]] std::string Text() const {
    std::string text;
    for (const auto& row : rows_) {
      std::string line;
      for (std::size_t i = 0; i < row.size(); ++i) {
        const std::string blank(widths_[i] - row[i].size(), ' ');
        line += (i == 0 ? "" : "  ") + (i < first_number_ ? row[i] + blank : blank + row[i]);
      }
      line.erase(line.find_last_not_of(' ') + 1);
      text += line + "\n";
    }
    return text;
  }

 private:
  std::size_t first_number_;
  std::vector<std::size_t> widths_;
  std::vector<std::vector<std::string>> rows_;
};

std::string FlopsText(const Cost& cost) {
  return cost.complete ? Scaled(cost.flops) : cost.flops == 0 ? "?" : ">" + Scaled(cost.flops);
}

std::string ParametersText(const Cost& cost) {
  return cost.parameters == 0 ? "" : Grouped(cost.parameters);
}

std::string Head(const Model& model) {
  std::string text =
      "model " + Printable(model.graph.name) + " (IR " + std::to_string(model.ir_version);
  for (const auto& [domain, version] : model.opsets) {
    text += ", " + (domain.empty() ? "operator set" : Printable(domain)) + " " +
            std::to_string(version);
  }
  text += ")";
  if (!model.producer_name.empty()) {
    text += " by " + Printable(model.producer_name + " " + model.producer_version);
  }
  for (const ValueInfo& input : model.graph.inputs) {
    text += "\ninput   " + Printable(input.name) + "  " + Printable(TypeText(input));
  }
  for (const ValueInfo& output : model.graph.outputs) {
    text += "\noutput  " + Printable(output.name) + "  " + Printable(TypeText(output));
  }
  return text + "\n\n";
}

}  // namespace

std::string Summary(const Model& model) {
  const Inference inference = InferShapes(model);
  const std::vector<Cost> costs = Costs(model, inference);
  Columns nodes({"NODE", "OPERATOR", "MAKES", "PARAMETERS", "FLOPS"}, 3);
  std::map<std::string, std::pair<std::int64_t, Cost>> by_operator;
  Cost total;
  for (std::size_t i = 0; i < costs.size(); ++i) {
    const Node& node = model.graph.nodes[i];
    const std::string makes =
        node.outputs.empty() ? "" : Printable(TypeText(inference.Info(node.outputs[0])), 48);
    nodes.Add({node.name.empty() ? "#" + std::to_string(i) : Printable(node.name, 48),
               Printable(node.op_type, 32), makes, ParametersText(costs[i]), FlopsText(costs[i])});
    auto& [count, cost] = by_operator[node.op_type];
    ++count;
    cost += costs[i];
    total += costs[i];
  }
  std::vector<std::pair<std::string, std::pair<std::int64_t, Cost>>> sorted(by_operator.begin(),
                                                                            by_operator.end());
  std::ranges::stable_sort(sorted, std::greater(),
                           [](const auto& e) { return e.second.second.flops; });
  Columns operators({"OPERATOR", "NODES", "PARAMETERS", "BYTES", "FLOPS"}, 1);
  for (const auto& [op, entry] : sorted) {
    const auto& [count, cost] = entry;
    operators.Add({Printable(op, 32), Grouped(count), ParametersText(cost),
                   cost.bytes == 0 ? "" : Grouped(cost.bytes), FlopsText(cost)});
  }
  operators.Add({"total", Grouped(static_cast<std::int64_t>(costs.size())),
                 Grouped(total.parameters), Grouped(total.bytes), FlopsText(total)});
  return Head(model) + nodes.Text() + "\n" + operators.Text() +
         "\nFLOPs are for one row: two a multiply-add; \">\" and \"?\" where a shape is not "
         "known.\n";
}

}  // namespace muster::onnx
