#include "tests/trainer/export/models.h"

#include "tests/trainer/export/module_case.h"

namespace muster::testing {
namespace {

namespace nn = torch::nn;
using at::Tensor;

struct ResidualBlockImpl : nn::Module {
  ResidualBlockImpl(std::int64_t in, std::int64_t out, std::int64_t stride)
      : conv1(register_module(
            "conv1",
            nn::Conv2d(nn::Conv2dOptions(in, out, 3).stride(stride).padding(1).bias(false)))),
        bn1(register_module("bn1", nn::BatchNorm2d(out))),
        conv2(register_module("conv2",
                              nn::Conv2d(nn::Conv2dOptions(out, out, 3).padding(1).bias(false)))),
        bn2(register_module("bn2", nn::BatchNorm2d(out))) {
    if (stride == 1 && in == out) return;
    shortcut = register_module(
        "shortcut",
        nn::Sequential(nn::Conv2d(nn::Conv2dOptions(in, out, 1).stride(stride).bias(false)),
                       nn::BatchNorm2d(out)));
  }
  Tensor forward(const Tensor& x) {
    Tensor y = at::relu(bn1(conv1(x)));
    y = bn2(conv2(y));
    // In place, as torchvision's block has it.
    y += shortcut.is_empty() ? x : shortcut->forward(x);
    return y.relu_();
  }
  nn::Conv2d conv1;
  nn::BatchNorm2d bn1;
  nn::Conv2d conv2;
  nn::BatchNorm2d bn2;
  nn::Sequential shortcut{nullptr};
};
TORCH_MODULE(ResidualBlock);

struct ResNetImpl : nn::Module {
  ResNetImpl() {
    register_module("stem", stem);
    std::int64_t in = 16;
    for (const std::int64_t out : {16, 32, 64, 128}) {
      blocks->push_back(ResidualBlock(in, out, out == 16 ? 1 : 2));
      blocks->push_back(ResidualBlock(out, out, 1));
      in = out;
    }
    register_module("blocks", blocks);
    register_module("head", head);
  }
  Tensor forward(const Tensor& x) {
    const Tensor pooled = at::adaptive_avg_pool2d(blocks->forward(stem->forward(x)), {1, 1});
    return head(pooled.flatten(1));
  }
  nn::Sequential stem{nn::Conv2d(nn::Conv2dOptions(3, 16, 7).stride(2).padding(3).bias(false)),
                      nn::BatchNorm2d(16), nn::ReLU(nn::ReLUOptions(true)),
                      nn::MaxPool2d(nn::MaxPool2dOptions(3).stride(2).padding(1))};
  nn::Sequential blocks;
  nn::Linear head{128, 10};
};
TORCH_MODULE(ResNet);

struct DecoderLayerImpl : nn::Module {
  DecoderLayerImpl(std::int64_t width, std::int64_t heads) : heads(heads) {
    register_module("norm1", norm1 = nn::LayerNorm(nn::LayerNormOptions({width})));
    register_module("norm2", norm2 = nn::LayerNorm(nn::LayerNormOptions({width})));
    register_module("qkv", qkv = nn::Linear(width, 3 * width));
    register_module("project", project = nn::Linear(width, width));
    register_module("up", up = nn::Linear(width, 4 * width));
    register_module("down", down = nn::Linear(4 * width, width));
  }
  Tensor forward(const Tensor& x) {
    const std::int64_t rows = x.size(0);
    const std::int64_t length = x.size(1);
    const std::int64_t width = x.size(2);
    const std::vector<Tensor> parts = qkv(norm1(x)).split(width, 2);
    const auto split_heads = [&](const Tensor& t) {
      return t.view({rows, length, heads, width / heads}).transpose(1, 2);
    };
    const Tensor mixed = at::scaled_dot_product_attention(
        split_heads(parts[0]), split_heads(parts[1]), split_heads(parts[2]), {}, 0.0, true);
    const Tensor y = x + project(mixed.transpose(1, 2).contiguous().view({rows, length, width}));
    return y + down(at::gelu(up(norm2(y))));
  }
  std::int64_t heads;
  nn::LayerNorm norm1{nullptr}, norm2{nullptr};
  nn::Linear qkv{nullptr}, project{nullptr}, up{nullptr}, down{nullptr};
};
TORCH_MODULE(DecoderLayer);

struct DecoderImpl : nn::Module {
  DecoderImpl() {
    register_module("tokens", tokens);
    register_module("places", places);
    for (int i = 0; i < 2; ++i) layers->push_back(DecoderLayer(32, 4));
    register_module("layers", layers);
    register_module("norm", norm);
    register_module("head", head);
  }
  Tensor forward(const Tensor& ids) {
    const Tensor x = tokens(ids) + places(at::arange(ids.size(1), at::kLong));
    const Tensor y = norm(layers->forward(x));
    // Through rows * length, the product that a frozen batch would get wrong.
    const Tensor logits = head(y.reshape({ids.size(0) * ids.size(1), y.size(2)}));
    return logits.view({ids.size(0), ids.size(1), -1});
  }
  nn::Embedding tokens{29, 32};
  nn::Embedding places{16, 32};
  nn::Sequential layers;
  nn::LayerNorm norm{nn::LayerNormOptions({32})};
  nn::Linear head{32, 29};
};
TORCH_MODULE(Decoder);

}  // namespace

ExportCase DigitsCnn() {
  at::manual_seed(1);
  nn::Sequential model(nn::Conv2d(nn::Conv2dOptions(1, 16, 3).padding(1)), nn::BatchNorm2d(16),
                       nn::ReLU(), nn::Conv2d(nn::Conv2dOptions(16, 32, 3).padding(1)),
                       nn::BatchNorm2d(32), nn::ReLU(nn::ReLUOptions(true)), nn::MaxPool2d(2),
                       nn::Dropout(0.25), nn::Flatten(), nn::Linear(32 * 4 * 4, 64), nn::ReLU(),
                       nn::Dropout(0.5), nn::Linear(64, 10));
  Disturb(*model);
  return OfModule("digits_cnn", model, Images(1, 8));
}

ExportCase Mlp() {
  at::manual_seed(2);
  nn::Sequential model(nn::Linear(20, 64), nn::GELU(), nn::LayerNorm(nn::LayerNormOptions({64})),
                       nn::Linear(64, 64), nn::SiLU(), nn::Linear(64, 3), nn::Softmax(1));
  Disturb(*model);
  return OfModule("mlp", model, [](std::int64_t rows) -> std::vector<Tensor> {
    at::manual_seed(200 + rows);
    return {at::randn({rows, 20})};
  });
}

ExportCase ResNet18() {
  at::manual_seed(3);
  ResNet model;
  Disturb(*model);
  return OfModule("resnet18", model, Images(3, 64));
}

ExportCase CausalTransformer() {
  at::manual_seed(4);
  Decoder model;
  Disturb(*model);
  return OfModule("causal_transformer", model, [](std::int64_t rows) -> std::vector<Tensor> {
    at::manual_seed(400 + rows);
    return {at::randint(0, 29, {rows, 12}, at::kLong)};
  });
}

ExportCase TorchEncoder() {
  at::manual_seed(5);
  nn::TransformerEncoder encoder(nn::TransformerEncoderOptions(
      nn::TransformerEncoderLayer(nn::TransformerEncoderLayerOptions(16, 4).dim_feedforward(32)),
      2));
  auto module = encoder.ptr();
  Disturb(*module);
  return {"torch_encoder", module,
          [module](const std::vector<Tensor>& in) -> std::vector<Tensor> {
            // LibTorch's own encoder wants the sequence first.
            return {module->forward(in[0].transpose(0, 1)).transpose(0, 1).mean(1)};
          },
          [](std::int64_t rows) -> std::vector<Tensor> {
            at::manual_seed(500 + rows);
            return {at::randn({rows, 6, 16})};
          }};
}

std::vector<ExportCase> ModelCases() {
  return {DigitsCnn(), Mlp(), ResNet18(), CausalTransformer(), TorchEncoder()};
}

}  // namespace muster::testing
