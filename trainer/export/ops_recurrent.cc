#include <ATen/Functions.h>

#include "trainer/export/call.h"

// T steps, N rows, H hidden units, D directions. LibTorch stacks the weights of a cell's gates in
// another order than ONNX, and both its bias vectors are kept.

namespace muster::exporting {
namespace {

struct Cell {
  const char* op;
  std::vector<std::int64_t> gates;  ///< which of LibTorch's gates is ONNX's first, second, ...
  Attributes attributes;
};

at::Tensor Reordered(const at::Tensor& stacked, const std::vector<std::int64_t>& gates) {
  const std::vector<at::Tensor> blocks = stacked.chunk(static_cast<std::int64_t>(gates.size()));
  std::vector<at::Tensor> ordered;
  for (const std::int64_t gate : gates) ordered.push_back(blocks[gate]);
  return at::cat(ordered);
}

/// The parameters of one layer as ONNX wants them: W (D, gates * H, in), R (D, gates * H, H) and,
/// with biases, B (D, 2 * gates * H). `weights` begins at the layer.
std::vector<std::string> LayerWeights(Call& call, const Cell& cell, const at::Tensor* weights,
                                      std::size_t directions, bool biases) {
  const std::size_t each = biases ? 4 : 2;
  std::vector<at::Tensor> inputs;
  std::vector<at::Tensor> states;
  std::vector<at::Tensor> offsets;
  for (const at::Tensor* w = weights; w != weights + directions * each; w += each) {
    inputs.push_back(Reordered(w[0], cell.gates));
    states.push_back(Reordered(w[1], cell.gates));
    if (biases)
      offsets.push_back(at::cat({Reordered(w[2], cell.gates), Reordered(w[3], cell.gates)}));
  }
  GraphBuilder& graph = call.graph();
  return {graph.Constant(at::stack(inputs), "input_weights"),
          graph.Constant(at::stack(states), "state_weights"),
          biases ? graph.Constant(at::stack(offsets), "biases") : ""};
}

/// (T, D, N, H) -> (T, N, D * H).
std::string Joined(Call& call, const std::string& value, std::int64_t directions,
                   std::int64_t hidden) {
  if (directions == 1) return call.Squeeze(value, {1});
  const std::string turned = call.Transpose(value, {0, 2, 1, 3});
  return call.Node("Reshape", {turned, call.graph().Int64s({0, 0, directions * hidden})});
}

void Recurrent(Call& call, const Cell& cell) {
  if (call.Has("batch_sizes"))
    return call.Fail("packed sequences have no ONNX form; pad them to one length");
  if (call.Type("input").rank() != 3) return call.Fail("wants an input of [T, N, D] or [N, T, D]");
  call.FailUnless(!call.Flag("train") || call.Real("dropout") == 0, "is in training mode");
  const std::int64_t layers = call.Int("num_layers");
  const std::int64_t directions = call.Flag("bidirectional") ? 2 : 1;
  const bool biases = call.Flag("has_biases");
  const std::vector<at::Tensor> weights = call.Constants("params");
  const std::size_t each = directions * (biases ? 4 : 2);
  call.FailUnless(weights.size() == layers * each,
                  "projections of the state have no ONNX form (proj_size)");
  for (const at::Tensor& weight : weights)
    call.FailUnless(weight.defined(), "weights that the model computes");
  if (!call.status().ok()) return;

  const std::int64_t hidden = weights[1].size(1);
  Attributes attributes = cell.attributes;
  attributes.push_back({"hidden_size", hidden});
  attributes.push_back({"direction", std::string(directions == 2 ? "bidirectional" : "forward")});
  const std::vector<std::string> initial = call.ListTypes("hx").empty()
                                               ? std::vector{call.In("hx")}
                                               : call.InList("hx", call.Out().dtype);
  const Ints swapped = {1, 0, 2};
  std::string value = call.In("input");
  if (call.Flag("batch_first")) value = call.Transpose(value, swapped);
  std::vector<std::vector<std::string>> last(initial.size());
  for (std::int64_t layer = 0; layer < layers; ++layer) {
    std::vector<std::string> inputs = {value};
    for (auto& weight : LayerWeights(call, cell, &weights[layer * each], directions, biases))
      inputs.push_back(std::move(weight));
    inputs.emplace_back();  // All rows have T steps.
    for (const std::string& state : initial) {
      inputs.push_back(
          layers == 1 ? state : call.Slice(state, 0, layer * directions, (layer + 1) * directions));
    }
    const std::vector<std::string> made = call.graph().Node(cell.op, std::move(inputs), attributes,
                                                            static_cast<int>(1 + initial.size()));
    value = Joined(call, made[0], directions, hidden);
    for (std::size_t i = 0; i < initial.size(); ++i) last[i].push_back(made[i + 1]);
  }
  call.Return(0, call.Flag("batch_first") ? call.Transpose(value, swapped) : value);
  for (std::size_t i = 0; i < last.size(); ++i) call.Return(i + 1, call.Concat(last[i], 0));
}

Translation Of(Cell cell) {
  return [cell = std::move(cell)](Call& call) { Recurrent(call, cell); };
}

}  // namespace

Translations RecurrentOps() {
  // Gates: LibTorch's i f g o are ONNX's i o f c; r z n are z r h.
  return {
      {"gru", Of({"GRU", {1, 0, 2}, {{"linear_before_reset", std::int64_t{1}}}})},
      {"lstm", Of({"LSTM", {0, 3, 1, 2}, {}})},
      {"rnn_relu",
       [](Call& call) {
         const std::size_t directions = call.Flag("bidirectional") ? 2 : 1;
         const std::vector<std::string> relu(directions, "Relu");
         Recurrent(call, {"RNN", {0}, {{"activations", relu}}});
       }},
      {"rnn_tanh", Of({"RNN", {0}, {}})},
  };
}

}  // namespace muster::exporting
