#include "trainer/run/main.h"
#include "trainer/trials/digits/digits_net.h"

namespace muster::trials {
namespace {

class Digits final : public ClassifierTrial {
 public:
  [[nodiscard]] std::string name() const override { return "digits"; }
  [[nodiscard]] std::string about() const override {
    return "Learns to read handwritten digits of 8 x 8 pixels with a small convolutional network.";
  }
  [[nodiscard]] std::vector<trainer::ParamSpec> params() const override {
    return {
        trainer::IntParam("width", 32, 1, 1024, "channels of the first convolution"),
        trainer::FloatParam("dropout", 0.2, 0.0, 0.95, "share of hidden units left out"),
        trainer::IntParam("shift", 1, 0, 4, "pixels that training images are moved by, at most"),
        trainer::FloatParam("label_smoothing", 0.1, 0.0, 0.9,
                            "share of each target spread over all classes")};
  }
  [[nodiscard]] DataSpec data() const override {
    return {.inputs = "images", .labels = "labels", .classes = 10, .input_shape = {{1, 8, 8}}};
  }
  std::shared_ptr<torch::nn::Module> Build(const trainer::Params& params) override {
    label_smoothing_ = params.Float("label_smoothing");
    net_ = std::make_shared<DigitsNet>(params.Int("width"), params.Float("dropout"),
                                       params.Int("shift"));
    return net_;
  }
  at::Tensor Forward(const at::Tensor& inputs) override { return net_->Forward(inputs); }
  [[nodiscard]] double label_smoothing() const override { return label_smoothing_; }

 private:
  double label_smoothing_ = 0;
  std::shared_ptr<DigitsNet> net_;
};

}  // namespace
}  // namespace muster::trials

MUSTER_TRIAL(muster::trials::Digits)
