// Classifiers of images by convolution: 3 channels, 64 by 64.

#include "tests/trainer/export/module_case.h"

namespace muster::testing {
namespace {

namespace nn = torch::nn;
using at::Tensor;

nn::Conv2d Conv(std::int64_t in, std::int64_t out, std::int64_t kernel, std::int64_t stride = 1,
                std::int64_t groups = 1) {
  return nn::Conv2d(nn::Conv2dOptions(in, out, kernel)
                        .stride(stride)
                        .padding(kernel / 2)
                        .groups(groups)
                        .bias(false));
}

struct ConvNormReluImpl : nn::Module {
  ConvNormReluImpl(std::int64_t in, std::int64_t out, std::int64_t kernel, std::int64_t stride = 1)
      : conv(register_module("conv", Conv(in, out, kernel, stride))),
        norm(register_module("norm", nn::BatchNorm2d(out))) {}
  Tensor forward(const Tensor& x) { return norm(conv(x)).relu_(); }
  nn::Conv2d conv;
  nn::BatchNorm2d norm;
};
TORCH_MODULE(ConvNormRelu);

nn::ReLU InPlaceRelu() { return nn::ReLU(nn::ReLUOptions(true)); }

// ResNet-50 (He et al., arXiv 1512.03385).

struct BottleneckImpl : nn::Module {
  BottleneckImpl(std::int64_t in, std::int64_t width, std::int64_t stride) {
    const std::int64_t out = 4 * width;
    conv1 = register_module("conv1", Conv(in, width, 1));
    bn1 = register_module("bn1", nn::BatchNorm2d(width));
    conv2 = register_module("conv2", Conv(width, width, 3, stride));
    bn2 = register_module("bn2", nn::BatchNorm2d(width));
    conv3 = register_module("conv3", Conv(width, out, 1));
    bn3 = register_module("bn3", nn::BatchNorm2d(out));
    if (stride != 1 || in != out) {
      downsample = register_module("downsample",
                                   nn::Sequential(Conv(in, out, 1, stride), nn::BatchNorm2d(out)));
    }
  }
  Tensor forward(const Tensor& x) {
    Tensor y = torch::relu(bn1(conv1(x)));
    y = torch::relu(bn2(conv2(y)));
    y = bn3(conv3(y));
    y += downsample.is_empty() ? x : downsample->forward(x);
    return torch::relu(y);
  }
  nn::Conv2d conv1{nullptr}, conv2{nullptr}, conv3{nullptr};
  nn::BatchNorm2d bn1{nullptr}, bn2{nullptr}, bn3{nullptr};
  nn::Sequential downsample{nullptr};
};
TORCH_MODULE(Bottleneck);

struct ResNet50Impl : nn::Module {
  ResNet50Impl() {
    constexpr std::int64_t kBlocks[] = {3, 4, 6, 3};
    std::int64_t in = 8;
    std::int64_t width = 8;
    for (const std::int64_t count : kBlocks) {
      for (std::int64_t i = 0; i < count; ++i) {
        layers->push_back(Bottleneck(in, width, i == 0 && width > 8 ? 2 : 1));
        in = 4 * width;
      }
      width *= 2;
    }
    register_module("conv1", conv1);
    register_module("bn1", bn1);
    register_module("layers", layers);
    register_module("fc", fc);
  }
  Tensor forward(Tensor x) {
    x = torch::max_pool2d(torch::relu(bn1(conv1(x))), 3, 2, 1);
    x = torch::adaptive_avg_pool2d(layers->forward(x), {1, 1});
    return fc(torch::flatten(x, 1));
  }
  nn::Conv2d conv1{Conv(3, 8, 7, 2)};
  nn::BatchNorm2d bn1{8};
  nn::Sequential layers;
  nn::Linear fc{256, 10};
};
TORCH_MODULE(ResNet50);

// VGG-16 with batch norm (arXiv 1409.1556).

struct VggImpl : nn::Module {
  VggImpl() {
    std::int64_t in = 3;
    for (const std::int64_t out : {4, 4, 0, 8, 8, 0, 16, 16, 16, 0, 32, 32, 32, 0}) {
      if (out == 0) {
        features->push_back(nn::MaxPool2d(nn::MaxPool2dOptions(2).stride(2)));
        continue;
      }
      features->push_back(nn::Conv2d(nn::Conv2dOptions(in, out, 3).padding(1)));
      features->push_back(nn::BatchNorm2d(out));
      features->push_back(InPlaceRelu());
      in = out;
    }
    register_module("features", features);
    register_module("avgpool", avgpool);
    register_module("classifier", classifier);
  }
  Tensor forward(Tensor x) {
    x = avgpool(features->forward(x));
    return classifier->forward(x.view({x.size(0), -1}));
  }
  nn::Sequential features;
  // 4 by 4 to 7 by 7: windows that overlap.
  nn::AdaptiveAvgPool2d avgpool{nn::AdaptiveAvgPool2dOptions({7, 7})};
  nn::Sequential classifier{nn::Linear(32 * 7 * 7, 64), nn::ReLU(), nn::Dropout(),
                            nn::Linear(64, 64),         nn::ReLU(), nn::Dropout(),
                            nn::Linear(64, 10)};
};
TORCH_MODULE(Vgg);

// SqueezeNet 1.1 (arXiv 1602.07360).

struct FireImpl : nn::Module {
  FireImpl(std::int64_t in, std::int64_t squeezed, std::int64_t expanded)
      : squeeze(register_module("squeeze", nn::Conv2d(nn::Conv2dOptions(in, squeezed, 1)))),
        expand1x1(
            register_module("expand1x1", nn::Conv2d(nn::Conv2dOptions(squeezed, expanded, 1)))),
        expand3x3(register_module(
            "expand3x3", nn::Conv2d(nn::Conv2dOptions(squeezed, expanded, 3).padding(1)))) {}
  Tensor forward(Tensor x) {
    x = squeeze(x).relu_();
    return torch::cat({torch::relu(expand1x1(x)), torch::relu(expand3x3(x))}, 1);
  }
  nn::Conv2d squeeze, expand1x1, expand3x3;
};
TORCH_MODULE(Fire);

struct SqueezeNetImpl : nn::Module {
  SqueezeNetImpl() {
    register_module("features", features);
    register_module("classifier", classifier);
  }
  Tensor forward(const Tensor& x) {
    return torch::flatten(classifier->forward(features->forward(x)), 1);
  }
  static nn::MaxPool2d Pool() {
    return nn::MaxPool2d(nn::MaxPool2dOptions(3).stride(2).ceil_mode(true));
  }
  nn::Sequential features{nn::Conv2d(nn::Conv2dOptions(3, 16, 3).stride(2)),
                          nn::ReLU(),
                          Pool(),
                          Fire(16, 4, 16),
                          Fire(32, 4, 16),
                          Pool(),
                          Fire(32, 8, 32),
                          Fire(64, 8, 32),
                          Pool(),
                          Fire(64, 12, 48)};
  nn::Sequential classifier{nn::Dropout(0.5), nn::Conv2d(nn::Conv2dOptions(96, 10, 1)), nn::ReLU(),
                            nn::AdaptiveAvgPool2d(nn::AdaptiveAvgPool2dOptions({1, 1}))};
};
TORCH_MODULE(SqueezeNet);

// DenseNet (arXiv 1608.06993).

struct DenseLayerImpl : nn::Module {
  DenseLayerImpl(std::int64_t in, std::int64_t growth) {
    register_module("layer",
                    layer = nn::Sequential(nn::BatchNorm2d(in), nn::ReLU(), Conv(in, 4 * growth, 1),
                                           nn::BatchNorm2d(4 * growth), nn::ReLU(),
                                           Conv(4 * growth, growth, 3)));
  }
  Tensor forward(const Tensor& x) { return torch::cat({x, layer->forward(x)}, 1); }
  nn::Sequential layer{nullptr};
};
TORCH_MODULE(DenseLayer);

struct DenseNetImpl : nn::Module {
  DenseNetImpl() {
    std::int64_t width = 16;
    for (const int count : {3, 4, 3}) {
      if (width != 16) {
        features->push_back(nn::BatchNorm2d(width));
        features->push_back(nn::ReLU());
        features->push_back(Conv(width, width / 2, 1));
        features->push_back(nn::AvgPool2d(nn::AvgPool2dOptions(2).stride(2)));
        width /= 2;
      }
      for (int i = 0; i < count; ++i, width += 8) features->push_back(DenseLayer(width, 8));
    }
    features->push_back(nn::BatchNorm2d(width));
    register_module("features", features);
    register_module("classifier", classifier = nn::Linear(width, 10));
  }
  Tensor forward(const Tensor& x) {
    const Tensor y = torch::relu(features->forward(x));
    return classifier(torch::adaptive_avg_pool2d(y, {1, 1}).flatten(1));
  }
  nn::Sequential features{Conv(3, 16, 7, 2), nn::BatchNorm2d(16), nn::ReLU(),
                          nn::MaxPool2d(nn::MaxPool2dOptions(3).stride(2).padding(1))};
  nn::Linear classifier{nullptr};
};
TORCH_MODULE(DenseNet);

// Inception v3's blocks (arXiv 1512.00567), with its auxiliary head as a second output.

struct InceptionBlockImpl : nn::Module {
  explicit InceptionBlockImpl(std::int64_t in) {
    register_module("branch1", branch1 = ConvNormRelu(in, 8, 1));
    register_module("branch7",
                    branch7 = nn::Sequential(
                        nn::Conv2d(nn::Conv2dOptions(in, 8, 1)),
                        nn::Conv2d(nn::Conv2dOptions(8, 8, {1, 7}).padding({0, 3})),
                        nn::Conv2d(nn::Conv2dOptions(8, 8, {7, 1}).padding({3, 0})), nn::ReLU()));
    register_module("branch3", branch3 = nn::Sequential(nn::Conv2d(nn::Conv2dOptions(in, 8, 1)),
                                                        ConvNormRelu(8, 8, 3)));
    register_module("pooled", pooled = ConvNormRelu(in, 8, 1));
  }
  Tensor forward(const Tensor& x) {
    const Tensor around = torch::avg_pool2d(x, 3, 1, 1);
    return torch::cat({branch1(x), branch7->forward(x), branch3->forward(x), pooled(around)}, 1);
  }
  ConvNormRelu branch1{nullptr}, pooled{nullptr};
  nn::Sequential branch7{nullptr}, branch3{nullptr};
};
TORCH_MODULE(InceptionBlock);

struct InceptionImpl : nn::Module {
  InceptionImpl() {
    register_module("stem", stem);
    register_module("first", first);
    register_module("second", second);
    register_module("auxiliary", auxiliary);
    register_module("fc", fc);
  }
  std::vector<Tensor> forward(Tensor x) {
    x = first(stem->forward(x));
    const Tensor side = auxiliary(torch::adaptive_avg_pool2d(x, {5, 5}).flatten(1));
    x = second(torch::max_pool2d(x, 3, 2));
    return {fc(torch::dropout(x.mean({2, 3}), 0.5, is_training())), side};
  }
  nn::Sequential stem{ConvNormRelu(3, 8, 3, 2), ConvNormRelu(8, 16, 3),
                      nn::MaxPool2d(nn::MaxPool2dOptions(3).stride(2))};
  InceptionBlock first{16}, second{32};
  nn::Linear auxiliary{32 * 25, 10}, fc{32, 10};
};
TORCH_MODULE(Inception);

// MobileNet v2 (arXiv 1801.04381).

struct InvertedResidualImpl : nn::Module {
  InvertedResidualImpl(std::int64_t in, std::int64_t out, std::int64_t stride, std::int64_t ratio)
      : residual(stride == 1 && in == out) {
    const std::int64_t hidden = in * ratio;
    register_module("layers", layers = nn::Sequential(
                                  Conv(in, hidden, 1), nn::BatchNorm2d(hidden), nn::ReLU6(),
                                  Conv(hidden, hidden, 3, stride, hidden), nn::BatchNorm2d(hidden),
                                  nn::ReLU6(), Conv(hidden, out, 1), nn::BatchNorm2d(out)));
  }
  Tensor forward(const Tensor& x) { return residual ? x + layers->forward(x) : layers->forward(x); }
  bool residual;
  nn::Sequential layers{nullptr};
};
TORCH_MODULE(InvertedResidual);

struct MobileNetV2Impl : nn::Module {
  MobileNetV2Impl() {
    register_module("features", features);
    register_module("classifier", classifier);
  }
  Tensor forward(const Tensor& x) { return classifier->forward(features->forward(x).mean({2, 3})); }
  nn::Sequential features{Conv(3, 8, 3, 2),
                          nn::BatchNorm2d(8),
                          nn::ReLU6(),
                          InvertedResidual(8, 8, 1, 1),
                          InvertedResidual(8, 12, 2, 6),
                          InvertedResidual(12, 12, 1, 6),
                          InvertedResidual(12, 16, 2, 6),
                          InvertedResidual(16, 16, 1, 6),
                          ConvNormRelu(16, 64, 1)};
  nn::Sequential classifier{nn::Dropout(0.2), nn::Linear(64, 10)};
};
TORCH_MODULE(MobileNetV2);

// MobileNet v3 (arXiv 1905.02244) and EfficientNet (arXiv 1905.11946): squeeze and excite.

struct ExciteImpl : nn::Module {
  ExciteImpl(std::int64_t width, bool hard) : hard(hard) {
    register_module("fc1", fc1 = nn::Conv2d(nn::Conv2dOptions(width, width / 4, 1)));
    register_module("fc2", fc2 = nn::Conv2d(nn::Conv2dOptions(width / 4, width, 1)));
  }
  Tensor forward(const Tensor& x) {
    const Tensor y = torch::adaptive_avg_pool2d(x, {1, 1});
    if (hard) return x * torch::hardsigmoid(fc2(torch::relu(fc1(y))));
    return x * torch::sigmoid(fc2(torch::silu(fc1(y))));
  }
  bool hard;
  nn::Conv2d fc1{nullptr}, fc2{nullptr};
};
TORCH_MODULE(Excite);

struct ExcitedBlockImpl : nn::Module {
  ExcitedBlockImpl(std::int64_t in, std::int64_t out, std::int64_t kernel, std::int64_t stride,
                   bool hard)
      : residual(stride == 1 && in == out), hard(hard) {
    const std::int64_t hidden = 4 * in;
    register_module("expand",
                    expand = nn::Sequential(Conv(in, hidden, 1), nn::BatchNorm2d(hidden)));
    register_module("depthwise",
                    depthwise = nn::Sequential(Conv(hidden, hidden, kernel, stride, hidden),
                                               nn::BatchNorm2d(hidden)));
    register_module("excite", excite = Excite(hidden, hard));
    register_module("project",
                    project = nn::Sequential(Conv(hidden, out, 1), nn::BatchNorm2d(out)));
  }
  Tensor Activated(const Tensor& x) const { return hard ? torch::hardswish(x) : torch::silu(x); }
  Tensor forward(const Tensor& x) {
    Tensor y = Activated(depthwise->forward(Activated(expand->forward(x))));
    y = project->forward(excite(y));
    return residual ? x + y : y;
  }
  bool residual, hard;
  nn::Sequential expand{nullptr}, depthwise{nullptr}, project{nullptr};
  Excite excite{nullptr};
};
TORCH_MODULE(ExcitedBlock);

struct MobileNetV3Impl : nn::Module {
  MobileNetV3Impl() {
    register_module("features", features);
    register_module("classifier", classifier);
  }
  Tensor forward(const Tensor& x) {
    return classifier->forward(torch::adaptive_avg_pool2d(features->forward(x), {1, 1}).flatten(1));
  }
  nn::Sequential features{Conv(3, 8, 3, 2),
                          nn::BatchNorm2d(8),
                          nn::Hardtanh(),
                          ExcitedBlock(8, 12, 3, 2, true),
                          ExcitedBlock(12, 12, 5, 1, true),
                          ExcitedBlock(12, 16, 5, 2, true)};
  nn::Sequential classifier{nn::Linear(16, 32), nn::Functional(torch::hardswish), nn::Dropout(0.2),
                            nn::Linear(32, 10)};
};
TORCH_MODULE(MobileNetV3);

struct EfficientNetImpl : nn::Module {
  EfficientNetImpl() {
    register_module("features", features);
    register_module("head", head);
  }
  Tensor forward(const Tensor& x) { return head(features->forward(x).mean({2, 3})); }
  nn::Sequential features{Conv(3, 8, 3, 2),
                          nn::BatchNorm2d(8),
                          nn::SiLU(),
                          ExcitedBlock(8, 8, 3, 1, false),
                          ExcitedBlock(8, 12, 5, 2, false),
                          ExcitedBlock(12, 12, 3, 1, false),
                          Conv(12, 32, 1),
                          nn::BatchNorm2d(32),
                          nn::SiLU()};
  nn::Linear head{32, 10};
};
TORCH_MODULE(EfficientNet);

// ShuffleNet v2 (arXiv 1807.11164).

struct ShuffleUnitImpl : nn::Module {
  explicit ShuffleUnitImpl(std::int64_t width) {
    const std::int64_t half = width / 2;
    register_module(
        "branch", branch = nn::Sequential(ConvNormRelu(half, half, 1), Conv(half, half, 3, 1, half),
                                          nn::BatchNorm2d(half), ConvNormRelu(half, half, 1)));
  }
  static Tensor Shuffled(Tensor x) {
    const std::int64_t rows = x.size(0);
    const std::int64_t channels = x.size(1);
    const std::int64_t height = x.size(2);
    const std::int64_t width = x.size(3);
    x = x.view({rows, 2, channels / 2, height, width}).transpose(1, 2).contiguous();
    return x.view({rows, -1, height, width});
  }
  Tensor forward(const Tensor& x) {
    const std::vector<Tensor> halves = x.chunk(2, 1);
    return Shuffled(torch::cat({halves[0], branch->forward(halves[1])}, 1));
  }
  nn::Sequential branch{nullptr};
};
TORCH_MODULE(ShuffleUnit);

struct ShuffleNetImpl : nn::Module {
  ShuffleNetImpl() {
    register_module("features", features);
    register_module("fc", fc);
  }
  Tensor forward(const Tensor& x) { return fc(features->forward(x).mean({2, 3})); }
  nn::Sequential features{ConvNormRelu(3, 12, 3, 2),
                          nn::MaxPool2d(nn::MaxPool2dOptions(3).stride(2).padding(1)),
                          ShuffleUnit(12), ShuffleUnit(12), ConvNormRelu(12, 32, 1)};
  nn::Linear fc{32, 10};
};
TORCH_MODULE(ShuffleNet);

// ConvNeXt (arXiv 2201.03545).

struct ConvNextBlockImpl : nn::Module {
  explicit ConvNextBlockImpl(std::int64_t width) {
    register_module("depthwise", depthwise = nn::Conv2d(
                                     nn::Conv2dOptions(width, width, 7).padding(3).groups(width)));
    register_module("norm", norm = nn::LayerNorm(nn::LayerNormOptions({width}).eps(1e-6)));
    register_module("up", up = nn::Linear(width, 4 * width));
    register_module("down", down = nn::Linear(4 * width, width));
    gamma = register_parameter("gamma", torch::full({width}, 0.5));
  }
  Tensor forward(const Tensor& x) {
    Tensor y = depthwise(x).permute({0, 2, 3, 1});
    y = gamma * down(torch::gelu(up(norm(y))));
    return x + y.permute({0, 3, 1, 2});
  }
  nn::Conv2d depthwise{nullptr};
  nn::LayerNorm norm{nullptr};
  nn::Linear up{nullptr}, down{nullptr};
  Tensor gamma;
};
TORCH_MODULE(ConvNextBlock);

struct ConvNextImpl : nn::Module {
  ConvNextImpl() {
    register_module("features", features);
    register_module("norm", norm);
    register_module("head", head);
  }
  Tensor forward(const Tensor& x) { return head(norm(features->forward(x).mean({-2, -1}))); }
  // The norm over channels of an image is a group norm of one group here.
  nn::Sequential features{nn::Conv2d(nn::Conv2dOptions(3, 16, 4).stride(4)),
                          nn::GroupNorm(nn::GroupNormOptions(1, 16)),
                          ConvNextBlock(16),
                          ConvNextBlock(16),
                          nn::Conv2d(nn::Conv2dOptions(16, 24, 2).stride(2)),
                          ConvNextBlock(24)};
  nn::LayerNorm norm{nn::LayerNormOptions({24})};
  nn::Linear head{24, 10};
};
TORCH_MODULE(ConvNext);

}  // namespace

std::vector<ExportCase> ConvolutionalArchitectures() {
  return {Architecture<ResNet50>("resnet50", Images(3, 64)),
          Architecture<Vgg>("vgg16", Images(3, 64)),
          Architecture<SqueezeNet>("squeezenet", Images(3, 64)),
          Architecture<DenseNet>("densenet", Images(3, 64)),
          Architecture<Inception>(
              "inception", [](InceptionImpl& net, auto& in) { return net.forward(in[0]); },
              Images(3, 64)),
          Architecture<MobileNetV2>("mobilenet_v2", Images(3, 64)),
          Architecture<MobileNetV3>("mobilenet_v3", Images(3, 64)),
          Architecture<EfficientNet>("efficientnet", Images(3, 64)),
          Architecture<ShuffleNet>("shufflenet", Images(3, 64)),
          Architecture<ConvNext>("convnext", Images(3, 64))};
}

}  // namespace muster::testing
