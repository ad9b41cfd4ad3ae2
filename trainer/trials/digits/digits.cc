#include <ATen/ATen.h>
#include <torch/nn/module.h>
#include <torch/nn/modules/conv.h>
#include <torch/nn/modules/linear.h>

#include "trainer/run/main.h"

/// Handwritten digits, 8 x 8 pixels of 0 to 16: three convolutions and two linear layers.
/// N rows, C channels, H and W pixels.

namespace muster::trials {
namespace {

class DigitsNet final : public torch::nn::Module {
 public:
  DigitsNet(std::int64_t width, double dropout)
      : dropout_(dropout),
        conv1_(register_module("conv1", Conv(1, width))),
        conv2_(register_module("conv2", Conv(width, width))),
        conv3_(register_module("conv3", Conv(width, 2 * width))),
        hidden_(register_module("hidden", torch::nn::Linear(2 * width * 2 * 2, 4 * width))),
        classes_(register_module("classes", torch::nn::Linear(4 * width, 10))) {}

  at::Tensor Forward(const at::Tensor& pixels_N1HW) {
    // Pixels as the files have them, so that a client of the served model need not know a scale.
    at::Tensor x_NCHW = at::relu(conv1_(pixels_N1HW / 16.0));
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
  torch::nn::Conv2d conv1_, conv2_, conv3_;
  torch::nn::Linear hidden_, classes_;
};

class Digits final : public ClassifierTrial {
 public:
  [[nodiscard]] std::string name() const override { return "digits"; }
  [[nodiscard]] std::string about() const override {
    return "Learns to read handwritten digits of 8 x 8 pixels with a small convolutional network.";
  }
  [[nodiscard]] std::vector<trainer::ParamSpec> params() const override {
    return {trainer::IntParam("width", 32, 1, 1024, "channels of the first convolution"),
            trainer::FloatParam("dropout", 0.2, 0.0, 0.95, "share of hidden units left out")};
  }
  std::shared_ptr<torch::nn::Module> Build(const trainer::Params& params) override {
    net_ = std::make_shared<DigitsNet>(params.Int("width"), params.Float("dropout"));
    return net_;
  }
  at::Tensor Forward(const at::Tensor& inputs) override { return net_->Forward(inputs); }

 private:
  std::shared_ptr<DigitsNet> net_;
};

}  // namespace
}  // namespace muster::trials

MUSTER_TRIAL(muster::trials::Digits)
