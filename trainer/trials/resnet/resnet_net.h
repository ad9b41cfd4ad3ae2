#pragma once

#include <ATen/ops/batch_norm.h>
#include <ATen/ops/conv2d.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/mean.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/zeros.h>
#include <torch/nn/init.h>
#include <torch/nn/module.h>
#include <torch/nn/modules/linear.h>

#include <memory>
#include <vector>

#include "trainer/trials/augment.h"

/// ResNet-18 (He et al. 2016, arXiv:1512.03385) in the form for small images: a 3 x 3 stem without stride or pooling,
/// then four stages of two blocks. N rows, C channels, H and W pixels. The same model in PyTorch, with the same names and
/// order of parameters: scripts/bench/trainer.

namespace muster::trials {

struct ResNetShape {
  std::int64_t width =
      64;  ///< channels of the first stage; the others have 2, 4 and 8 times as many
  std::int64_t channels = 3;
  std::int64_t classes = 10;
  double white = 255;     ///< the highest pixel value; 0 is the lowest
  std::int64_t crop = 0;  ///< pixels that training images are padded by before they are cropped
  bool flip = false;      ///< mirror half of the training images
  /// NHWC in memory: what convolutions of bf16 and fp16 on tensor cores want, and oneDNN's on a CPU like too.
  bool channels_last = false;
};

/// A convolution without bias. LibTorch's own would draw weights that are drawn again.
class Convolution final : public torch::nn::Module {
 public:
  Convolution(std::int64_t in, std::int64_t out, std::int64_t kernel, std::int64_t stride,
              bool channels_last)
      : stride_(stride), padding_(kernel / 2) {
    // The same start in either order.
    at::Tensor start = at::empty({out, in, kernel, kernel});
    torch::nn::init::kaiming_normal_(start, 0, torch::kFanOut, torch::kReLU);
    if (channels_last) start = start.contiguous(at::MemoryFormat::ChannelsLast);
    weight_ = register_parameter("weight", start);
  }
  [[nodiscard]] at::Tensor Forward(const at::Tensor& x) const {
    return at::conv2d(x, weight_, {}, stride_, padding_);
  }

 private:
  std::int64_t stride_, padding_;
  at::Tensor weight_;
};

class BatchNorm final : public torch::nn::Module {
 public:
  explicit BatchNorm(std::int64_t channels)
      : weight_(register_parameter("weight", at::ones({channels}))),
        bias_(register_parameter("bias", at::zeros({channels}))),
        mean_(register_buffer("running_mean", at::zeros({channels}))),
        var_(register_buffer("running_var", at::ones({channels}))) {}
  [[nodiscard]] at::Tensor Forward(const at::Tensor& x) const {
    // A rank's share of a last batch may be no row or one, of which there is no variance.
    const bool measured = is_training() && x.numel() > x.size(1);
    return at::batch_norm(x, weight_, bias_, mean_, var_, measured, 0.1, 1e-5,
                          /*cudnn_enabled=*/true);
  }

 private:
  at::Tensor weight_, bias_, mean_, var_;
};

/// Figure 2 of the paper: two convolutions beside a shortcut, a 1 x 1 convolution where the shape changes.
class ResNetBlock final : public torch::nn::Module {
 public:
  ResNetBlock(std::int64_t in, std::int64_t out, std::int64_t stride, bool channels_last) {
    const auto convolution = [&](std::int64_t from, std::int64_t kernel, std::int64_t step) {
      return std::make_shared<Convolution>(from, out, kernel, step, channels_last);
    };
    conv1_ = register_module("conv1", convolution(in, 3, stride));
    bn1_ = register_module("bn1", std::make_shared<BatchNorm>(out));
    conv2_ = register_module("conv2", convolution(out, 3, 1));
    bn2_ = register_module("bn2", std::make_shared<BatchNorm>(out));
    if (stride == 1 && in == out) return;
    const auto shortcut = register_module("shortcut", std::make_shared<Part>());
    conv3_ = shortcut->register_module("0", convolution(in, 1, stride));
    bn3_ = shortcut->register_module("1", std::make_shared<BatchNorm>(out));
  }
  [[nodiscard]] at::Tensor Forward(const at::Tensor& x) const {
    at::Tensor y = bn1_->Forward(conv1_->Forward(x)).relu_();
    y = bn2_->Forward(conv2_->Forward(y));
    y += conv3_ ? bn3_->Forward(conv3_->Forward(x)) : x;
    return y.relu_();
  }

  class Part final : public torch::nn::Module {};

 private:
  std::shared_ptr<Convolution> conv1_, conv2_, conv3_;
  std::shared_ptr<BatchNorm> bn1_, bn2_, bn3_;
};

class ResNet final : public torch::nn::Module {
 public:
  explicit ResNet(const ResNetShape& shape) : shape_(shape) {
    const bool last = shape.channels_last;
    conv1_ = register_module(
        "conv1", std::make_shared<Convolution>(shape.channels, shape.width, 3, 1, last));
    bn1_ = register_module("bn1", std::make_shared<BatchNorm>(shape.width));
    std::int64_t in = shape.width;
    for (int stage = 0; stage < 4; ++stage) {
      const std::int64_t out = shape.width << stage;
      const auto layer = register_module("layer" + std::to_string(stage + 1),
                                         std::make_shared<ResNetBlock::Part>());
      for (int i = 0; i < 2; ++i) {
        const std::int64_t stride = stage > 0 && i == 0 ? 2 : 1;
        blocks_.push_back(layer->register_module(
            std::to_string(i), std::make_shared<ResNetBlock>(in, out, stride, last)));
        in = out;
      }
    }
    fc_ = register_module("fc", torch::nn::Linear(in, shape.classes));
  }

  /// Pixels of any type as the files have them, so that a client of the served model need not know a scale.
  at::Tensor Forward(const at::Tensor& pixels_NCHW) {
    at::Tensor x_NCHW = pixels_NCHW;
    if (is_training()) {
      x_NCHW = RandomlyCropped(x_NCHW, shape_.crop);
      if (shape_.flip) x_NCHW = RandomlyFlipped(x_NCHW);
    }
    x_NCHW = x_NCHW.to(fc_->weight.scalar_type()) / (shape_.white / 2) - 1.0;
    if (shape_.channels_last) x_NCHW = x_NCHW.contiguous(at::MemoryFormat::ChannelsLast);
    x_NCHW = bn1_->Forward(conv1_->Forward(x_NCHW)).relu_();
    for (const auto& block : blocks_) x_NCHW = block->Forward(x_NCHW);
    return fc_->forward(x_NCHW.mean({2, 3}));
  }

 private:
  ResNetShape shape_;
  std::shared_ptr<Convolution> conv1_;
  std::shared_ptr<BatchNorm> bn1_;
  std::vector<std::shared_ptr<ResNetBlock>> blocks_;
  torch::nn::Linear fc_{nullptr};
};

}  // namespace muster::trials
