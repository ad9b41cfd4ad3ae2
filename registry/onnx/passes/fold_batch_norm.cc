#include <cmath>

#include "registry/onnx/attributes.h"
#include "registry/onnx/numbers.h"
#include "registry/onnx/passes/passes.h"
#include "registry/onnx/passes/rewrite.h"
#include "runtime/base/check.h"

// y = (x - mean) * scale / sqrt(variance + epsilon) + shift by channel, and x = W * input + bias:
// y = (factor W) * input + (factor * (bias - mean) + shift), factor = scale / sqrt(variance + epsilon).

namespace muster::onnx {
namespace {

struct Affine {
  std::vector<double> factor, mean, shift;  ///< by channel
};

std::optional<Affine> AffineOf(const Node& node, const GraphIndex& index) {
  if (node.op_type != "BatchNormalization" || !node.domain.empty() || node.inputs.size() != 5 ||
      node.outputs.size() != 1 || IntOr(node, "training_mode", 0) != 0) {
    return std::nullopt;
  }
  std::vector<std::vector<float>> parts;  // scale, shift, mean, variance
  for (std::size_t i = 1; i < 5; ++i) {
    const Tensor* tensor = index.Initializer(node.inputs[i]);
    auto floats = tensor == nullptr ? std::nullopt : FloatsOf(*tensor);
    if (!floats || (i > 1 && floats->size() != parts[0].size())) return std::nullopt;
    parts.push_back(std::move(*floats));
  }
  const double epsilon = FloatOr(node, "epsilon", 1e-5f);
  Affine affine;
  for (std::size_t c = 0; c < parts[0].size(); ++c) {
    affine.factor.push_back(parts[0][c] / std::sqrt(parts[3][c] + epsilon));
    affine.mean.push_back(parts[2][c]);
    affine.shift.push_back(parts[1][c]);
    if (!std::isfinite(affine.factor.back())) return std::nullopt;
  }
  return affine;
}

/// Where a weight's output channels lie: element i is of channel (i / inner) % channels, after `group`s of so many.
struct Layout {
  std::size_t channels, inner;
  std::size_t groups = 1, per_group = 0;  ///< elements of a group (ConvTranspose)

  [[nodiscard]] std::size_t ChannelOf(std::size_t element) const {
    const std::size_t group = groups == 1 ? 0 : element / per_group;
    return group * channels + element / inner % channels;
  }
};

/// How the weight of a node whose output a batch norm can scale lies; nothing for other nodes.
std::optional<Layout> LayoutOf(const Node& node, const Tensor& weight) {
  const auto dim = [&](std::size_t d) { return static_cast<std::size_t>(weight.dims[d]); };
  const auto elements = static_cast<std::size_t>(weight.elements());
  if (elements == 0) return std::nullopt;
  if (node.op_type == "Conv" && weight.dims.size() >= 3) {
    return Layout{.channels = dim(0), .inner = elements / dim(0)};
  }
  if (node.op_type == "ConvTranspose" && weight.dims.size() >= 3) {
    const auto groups = static_cast<std::size_t>(IntOr(node, "group", 1));
    if (groups < 1 || dim(0) % groups != 0) return std::nullopt;
    return Layout{.channels = dim(1),
                  .inner = elements / dim(0) / dim(1),
                  .groups = groups,
                  .per_group = elements / groups};
  }
  if (node.op_type == "Gemm" && weight.dims.size() == 2) {
    return IntOr(node, "transB", 0) != 0 ? Layout{.channels = dim(0), .inner = dim(1)}
                                         : Layout{.channels = dim(1), .inner = 1};
  }
  return std::nullopt;
}

class Folder {
 public:
  explicit Folder(Graph& graph) : graph_(graph), index_(graph), names_(graph) {}

  std::size_t Run() {
    Replacer replacer(graph_);
    std::size_t changes = 0;
    for (std::size_t i = 0; i < graph_.nodes.size(); ++i) {
      const auto affine = AffineOf(graph_.nodes[i], index_);
      if (!affine) continue;
      const std::string& source = graph_.nodes[i].inputs[0];
      const Node* maker = index_.Maker(source);
      const std::string& output = graph_.nodes[i].outputs[0];
      if (maker == nullptr || index_.Uses(source) != 1 || output.empty() || output == source ||
          !Fold(*maker, *affine)) {
        continue;
      }
      const bool replaced = replacer.Replace(i, source);
      MUSTER_CHECK(replaced, "a value that is used once, here, is no graph output");
      ++changes;
    }
    ApplyNewInputs();
    replacer.Finish();
    for (Tensor& tensor : made_) graph_.initializers.push_back(std::move(tensor));
    return changes;
  }

 private:
  /// Makes the scaled weight and bias of `node`; false when they are no constants of the right sizes.
  bool Fold(const Node& node, const Affine& affine) {
    const bool is_one = node.domain.empty() && node.outputs.size() == 1 && node.inputs.size() >= 2;
    const Tensor* weight = is_one ? index_.Initializer(node.inputs[1]) : nullptr;
    auto weights = weight == nullptr ? std::nullopt : FloatsOf(*weight);
    const auto layout = weights ? LayoutOf(node, *weight) : std::nullopt;
    const std::size_t channels = affine.factor.size();
    if (!layout || layout->channels * layout->groups != channels) return false;
    const bool has_bias = node.inputs.size() > 2 && !node.inputs[2].empty();
    std::vector<float> bias(channels, 0.0f);
    if (has_bias) {
      const Tensor* tensor = index_.Initializer(node.inputs[2]);
      const auto floats = tensor == nullptr ? std::nullopt : FloatsOf(*tensor);
      if (!floats || (floats->size() != channels && floats->size() != 1)) return false;
      for (std::size_t c = 0; c < channels; ++c) bias[c] = (*floats)[floats->size() == 1 ? 0 : c];
    }
    // Gemm's beta goes into the bias; its alpha stays, for the weight alone is scaled.
    const double beta = node.op_type == "Gemm" ? FloatOr(node, "beta", 1) : 1.0;
    for (std::size_t i = 0; i < weights->size(); ++i) {
      (*weights)[i] = static_cast<float>((*weights)[i] * affine.factor[layout->ChannelOf(i)]);
    }
    for (std::size_t c = 0; c < channels; ++c) {
      bias[c] = static_cast<float>((beta * bias[c] - affine.mean[c]) * affine.factor[c] +
                                   affine.shift[c]);
    }
    NewInputs inputs{
        .weight = names_.Unique(node.inputs[1] + "/folded"),
        .bias = names_.Unique((has_bias ? node.inputs[2] : node.outputs[0] + "/bias") + "/folded")};
    made_.push_back(FloatTensor(inputs.weight, weight->dims, *weights));
    made_.push_back(FloatTensor(inputs.bias, {static_cast<std::int64_t>(channels)}, bias));
    new_inputs_.emplace_back(static_cast<std::size_t>(&node - graph_.nodes.data()),
                             std::move(inputs));
    return true;
  }

  /// Late, for the index holds views of the inputs as they were.
  void ApplyNewInputs() {
    for (auto& [position, inputs] : new_inputs_) {
      Node& node = graph_.nodes[position];
      node.inputs.resize(3);
      node.inputs[1] = std::move(inputs.weight);
      node.inputs[2] = std::move(inputs.bias);
      std::erase_if(node.attributes, [](const Attribute& a) { return a.name == "beta"; });
    }
  }

  struct NewInputs {
    std::string weight, bias;
  };
  Graph& graph_;
  const GraphIndex index_;
  NameMaker names_;
  std::vector<Tensor> made_;
  std::vector<std::pair<std::size_t, NewInputs>> new_inputs_;
};

}  // namespace

Passed FoldBatchNorm(Model model) {
  const std::size_t changes = Folder(model.graph).Run();
  return {std::move(model), changes};
}

}  // namespace muster::onnx
