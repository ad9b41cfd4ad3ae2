#include "trainer/run/main.h"
#include "trainer/trials/resnet/resnet_net.h"

/// Images of any size, 3 x 32 x 32 say, in one class each.

namespace muster::trials {
namespace {

class ResNetTrial final : public ClassifierTrial {
 public:
  [[nodiscard]] std::string name() const override { return "resnet"; }
  [[nodiscard]] std::string about() const override {
    return "Learns to tell images apart with a ResNet-18 in its form for small images.";
  }
  [[nodiscard]] std::vector<trainer::ParamSpec> params() const override {
    return {trainer::IntParam("width", 64, 1, 4096, "channels of the first stage"),
            trainer::IntParam("channels", 3, 1, 4096, "of an image"),
            trainer::IntParam("classes", 10, 2, 1'000'000, "labels are 0 to classes - 1"),
            trainer::FloatParam("white", 255.0, 1e-6, 1e9, "highest pixel value; the lowest is 0"),
            trainer::IntParam("crop", 4, 0, 64,
                              "training images are padded by so many pixels and cropped again"),
            trainer::IntParam("flip", 1, 0, 1, "1: half of the training images are mirrored"),
            trainer::FloatParam("label_smoothing", 0.1, 0.0, 0.9,
                                "share of each target spread over all classes"),
            trainer::ChoiceParam("memory", {"channels_first", "channels_last"}, "channels_last",
                                 "order of an image in memory")};
  }
  [[nodiscard]] DataSpec data() const override {
    return {.inputs = "images", .labels = "labels", .classes = classes_};
  }
  std::shared_ptr<torch::nn::Module> Build(const trainer::Params& params) override {
    label_smoothing_ = params.Float("label_smoothing");
    classes_ = params.Int("classes");
    net_ = std::make_shared<ResNet>(
        ResNetShape{.width = params.Int("width"),
                    .channels = params.Int("channels"),
                    .classes = classes_,
                    .white = params.Float("white"),
                    .crop = params.Int("crop"),
                    .flip = params.Int("flip") == 1,
                    .channels_last = params.Text("memory") == "channels_last"});
    return net_;
  }
  at::Tensor Forward(const at::Tensor& inputs) override { return net_->Forward(inputs); }
  [[nodiscard]] double label_smoothing() const override { return label_smoothing_; }

 private:
  double label_smoothing_ = 0;
  std::int64_t classes_ = 0;
  std::shared_ptr<ResNet> net_;
};

}  // namespace
}  // namespace muster::trials

MUSTER_TRIAL(muster::trials::ResNetTrial)
