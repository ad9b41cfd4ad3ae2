#pragma once

#include <ATen/ATen.h>
#include <torch/nn/init.h>
#include <torch/nn/module.h>
#include <torch/nn/modules/conv.h>
#include <torch/nn/modules/linear.h>

#include "trainer/trials/augment.h"

/// Handwritten digits, 8 x 8 pixels of 0 to 16: three convolutions and two linear layers.
/// N rows, C channels, H and W pixels.

namespace muster::trials {

class DigitsNet final : public torch::nn::Module {
 public:
  DigitsNet(std::int64_t width, double dropout, std::int64_t shift)
      : dropout_(dropout),
        shift_(shift),
        conv1_(register_module("conv1", Conv(1, width))),
        conv2_(register_module("conv2", Conv(width, width))),
        conv3_(register_module("conv3", Conv(width, 2 * width))),
        hidden_(register_module("hidden", torch::nn::Linear(2 * width * 2 * 2, 4 * width))),
        classes_(register_module("classes", torch::nn::Linear(4 * width, 10))) {
    // LibTorch's own start shrinks the signal with each layer, and SGD stays there for epochs.
    for (auto& [name, tensor] : named_parameters().pairs()) {
      tensor.dim() > 1 ? torch::nn::init::kaiming_normal_(tensor, 0, torch::kFanIn, torch::kReLU)
                       : torch::nn::init::zeros_(tensor);
    }
  }

  at::Tensor Forward(const at::Tensor& pixels_N1HW) {
    // Pixels as the files have them, so that a client of the served model need not know a scale.
    at::Tensor x_NCHW = pixels_N1HW / 16.0;
    if (is_training()) x_NCHW = RandomlyCropped(x_NCHW, shift_);
    x_NCHW = at::relu(conv1_(x_NCHW));
    x_NCHW = at::max_pool2d(at::relu(conv2_(x_NCHW)), {2, 2});
    x_NCHW = at::max_pool2d(at::relu(conv3_(x_NCHW)), {2, 2});
    at::Tensor x_NC = at::relu(hidden_(at::flatten(x_NCHW, 1)));
    x_NC = at::dropout(x_NC, dropout_, is_training());
    return classes_(x_NC);
  }

 private:
  static torch::nn::Conv2d Conv(std::int64_t in, std::int64_t out) {
    return torch::nn::Conv2d(torch::nn::Conv2dOptions(in, out, 3).padding(1));
  }

  double dropout_;
  std::int64_t shift_;
  torch::nn::Conv2d conv1_, conv2_, conv3_;
  torch::nn::Linear hidden_, classes_;
};

}  // namespace muster::trials
