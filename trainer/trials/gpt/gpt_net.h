#pragma once

#include <ATen/ops/cross_entropy_loss.h>
#include <ATen/ops/dropout.h>
#include <ATen/ops/embedding.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/layer_norm.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/scaled_dot_product_attention.h>
#include <ATen/ops/zeros.h>
#include <c10/core/GradMode.h>
#include <torch/nn/module.h>

#include <cmath>
#include <memory>
#include <vector>

#include "trainer/torch/recompute.h"

/// A language model after GPT-2 (Radford et al. 2019), with sizes as in nanoGPT: learned positions, layer norm before
/// each part of a block (Xiong et al. 2020, arXiv:2002.04745), GELU by tanh, linear layers without bias, and one matrix
/// for the first layer and the last. N rows, T places, C width, V vocabulary, H heads, D = C / H.
///
/// A step makes no tensor on the host and reads none back, so that a CUDA graph can hold it. The same model in PyTorch,
/// with the same names and order of parameters: scripts/bench/trainer.

namespace muster::trials {

struct GptShape {
  std::int64_t layers = 6;
  std::int64_t heads = 6;
  std::int64_t width = 384;    ///< a multiple of heads
  std::int64_t context = 256;  ///< the most places
  std::int64_t vocab = 256;
  double dropout = 0;
  bool recompute = false;  ///< blocks keep their inputs alone for the backward pass
};

/// A matrix, or the scale and shift of a layer norm. LibTorch's own layers would draw weights that are drawn again.
class Weights final : public torch::nn::Module {
 public:
  Weights(std::int64_t rows, std::int64_t columns)
      : weight(register_parameter("weight", at::empty({rows, columns}))) {}
  explicit Weights(std::int64_t width)
      : weight(register_parameter("weight", at::ones({width}))),
        bias(register_parameter("bias", at::zeros({width}))) {}

  [[nodiscard]] at::Tensor Linear(const at::Tensor& x) const { return at::linear(x, weight); }
  [[nodiscard]] at::Tensor Norm(const at::Tensor& x) const {
    return at::layer_norm(x, weight.sizes(), weight, bias);
  }

  at::Tensor weight, bias;
};

class GptBlock final : public torch::nn::Module {
 public:
  explicit GptBlock(const GptShape& shape) : heads_(shape.heads), dropout_(shape.dropout) {
    const std::int64_t width = shape.width;
    norm1_ = register_module("norm1", std::make_shared<Weights>(width));
    qkv_ = register_module("qkv", std::make_shared<Weights>(3 * width, width));
    project_ = register_module("project", std::make_shared<Weights>(width, width));
    norm2_ = register_module("norm2", std::make_shared<Weights>(width));
    up_ = register_module("up", std::make_shared<Weights>(4 * width, width));
    down_ = register_module("down", std::make_shared<Weights>(width, 4 * width));
  }

  at::Tensor Forward(const at::Tensor& x_NTC) {
    const at::Tensor attended = Attention(norm1_->Norm(x_NTC));
    const at::Tensor y_NTC = x_NTC + Dropped(project_->Linear(attended));
    return y_NTC + Dropped(down_->Linear(at::gelu(up_->Linear(norm2_->Norm(y_NTC)), "tanh")));
  }

 private:
  [[nodiscard]] at::Tensor Attention(const at::Tensor& x_NTC) const {
    const std::int64_t rows = x_NTC.size(0), places = x_NTC.size(1), width = x_NTC.size(2);
    // Views of one product; the attention kernels read heads by their strides and answer (N, T, H, D) in memory.
    const auto qkv_NTHD =
        qkv_->Linear(x_NTC).view({rows, places, 3, heads_, width / heads_}).unbind(2);
    const at::Tensor mixed_NHTD = at::scaled_dot_product_attention(
        qkv_NTHD[0].transpose(1, 2), qkv_NTHD[1].transpose(1, 2), qkv_NTHD[2].transpose(1, 2),
        /*attn_mask=*/{}, is_training() ? dropout_ : 0, /*is_causal=*/true);
    return mixed_NHTD.transpose(1, 2).reshape({rows, places, width});
  }
  [[nodiscard]] at::Tensor Dropped(const at::Tensor& x) const {
    return dropout_ > 0 ? at::dropout(x, dropout_, is_training()) : x;
  }

  std::int64_t heads_;
  double dropout_;
  std::shared_ptr<Weights> norm1_, qkv_, project_, norm2_, up_, down_;
};

class GptNet final : public torch::nn::Module {
 public:
  /// Draws from LibTorch's default generator: matrices normal with 0.02, those that add to the residual stream with
  /// 0.02 / sqrt(2 layers).
  explicit GptNet(const GptShape& shape) : shape_(shape) {
    TORCH_CHECK(shape.width % shape.heads == 0, "width ", shape.width, " is no multiple of heads ",
                shape.heads);
    tokens_ = register_module("tokens", std::make_shared<Weights>(shape.vocab, shape.width));
    positions_ =
        register_module("positions", std::make_shared<Weights>(shape.context, shape.width));
    const auto blocks = register_module("blocks", std::make_shared<Blocks>());
    for (std::int64_t i = 0; i < shape.layers; ++i) {
      blocks_.push_back(
          blocks->register_module(std::to_string(i), std::make_shared<GptBlock>(shape)));
    }
    norm_ = register_module("norm", std::make_shared<Weights>(shape.width));

    const c10::NoGradGuard no_gradients;
    const double residual = 0.02 / std::sqrt(2.0 * static_cast<double>(shape.layers));
    for (auto& [name, tensor] : named_parameters().pairs()) {
      const bool adds = name.ends_with("project.weight") || name.ends_with("down.weight");
      if (tensor.dim() > 1) tensor.normal_(0, adds ? residual : 0.02);
    }
  }

  /// Ids of any integer type, 1 <= T <= context, to the logits (N, T, V) of the token after each.
  at::Tensor Forward(const at::Tensor& tokens_NT) {
    const std::int64_t places = tokens_NT.size(1);
    TORCH_CHECK(places <= shape_.context, "rows of ", places, " tokens, wanted at most context, ",
                shape_.context);
    at::Tensor x_NTC = at::embedding(tokens_->weight, tokens_NT.to(at::kLong)) +
                       positions_->weight.slice(0, 0, places);
    if (shape_.dropout > 0) x_NTC = at::dropout(x_NTC, shape_.dropout, is_training());
    for (const auto& block : blocks_) {
      const auto forward = [block](const at::Tensor& x) { return block->Forward(x); };
      x_NTC = shape_.recompute && is_training()
                  ? trainer::Recompute(forward, x_NTC, {.same_random = shape_.dropout > 0})
                  : forward(x_NTC);
    }
    return tokens_->Linear(norm_->Norm(x_NTC));
  }

  /// A row's loss is the mean over places of the cross entropy of the next token, in nats; the sum over the rows.
  /// `row_NT1`: T + 1 tokens, the inputs and, from the second on, what follows each.
  at::Tensor LossSum(const at::Tensor& row_NT1) {
    const at::Tensor ids_NT1 = row_NT1.to(at::kLong);
    const std::int64_t places = ids_NT1.size(1) - 1;
    TORCH_CHECK(places > 0, "rows of ", places + 1,
                " tokens, wanted 2 or more: inputs and what follows");
    at::Tensor logits_NTV = Forward(ids_NT1.slice(1, 0, places));
    // In fp32: a GPU's kernel makes it so as it reads, and autocast has it call that one; a CPU's wants a copy.
    if (logits_NTV.is_cpu()) logits_NTV = logits_NTV.to(at::kFloat);
    const at::Tensor targets_NT = ids_NT1.slice(1, 1, places + 1);
    return at::cross_entropy_loss(logits_NTV.flatten(0, 1), targets_NT.flatten(), {},
                                  at::Reduction::Sum) /
           static_cast<double>(places);
  }

  [[nodiscard]] const GptShape& shape() const { return shape_; }

 private:
  class Blocks final : public torch::nn::Module {};

  GptShape shape_;
  std::shared_ptr<Weights> tokens_, positions_;
  std::vector<std::shared_ptr<GptBlock>> blocks_;
  std::shared_ptr<Weights> norm_;
};

}  // namespace muster::trials
