// Nets that cut out, make, or attend to images.

#include "tests/trainer/export/module_case.h"

namespace muster::testing {
namespace {

namespace nn = torch::nn;
namespace F = torch::nn::functional;
using at::Tensor;

// U-Net (arXiv 1505.04597), with the pads that uneven sizes need.

struct DoubleConvImpl : nn::Module {
  DoubleConvImpl(std::int64_t in, std::int64_t out) {
    register_module("layers", layers = nn::Sequential(
                                  nn::Conv2d(nn::Conv2dOptions(in, out, 3).padding(1).bias(false)),
                                  nn::BatchNorm2d(out), nn::ReLU(nn::ReLUOptions(true)),
                                  nn::Conv2d(nn::Conv2dOptions(out, out, 3).padding(1).bias(false)),
                                  nn::BatchNorm2d(out), nn::ReLU(nn::ReLUOptions(true))));
  }
  Tensor forward(const Tensor& x) { return layers->forward(x); }
  nn::Sequential layers{nullptr};
};
TORCH_MODULE(DoubleConv);

struct UpImpl : nn::Module {
  UpImpl(std::int64_t in, std::int64_t out) {
    register_module("up",
                    up = nn::ConvTranspose2d(nn::ConvTranspose2dOptions(in, in / 2, 2).stride(2)));
    register_module("conv", conv = DoubleConv(in, out));
  }
  Tensor forward(Tensor x, const Tensor& skip) {
    x = up(x);
    const std::int64_t high = skip.size(2) - x.size(2);
    const std::int64_t wide = skip.size(3) - x.size(3);
    x = F::pad(x, F::PadFuncOptions({wide / 2, wide - wide / 2, high / 2, high - high / 2}));
    return conv(torch::cat({skip, x}, 1));
  }
  nn::ConvTranspose2d up{nullptr};
  DoubleConv conv{nullptr};
};
TORCH_MODULE(Up);

struct UNetImpl : nn::Module {
  UNetImpl() {
    register_module("first", first);
    register_module("down1", down1);
    register_module("down2", down2);
    register_module("up1", up1);
    register_module("up2", up2);
    register_module("out", out);
  }
  Tensor forward(const Tensor& x) {
    const Tensor a = first(x);
    const Tensor b = down1(torch::max_pool2d(a, 2));
    const Tensor c = down2(torch::max_pool2d(b, 2));
    return out(up2(up1(c, b), a));
  }
  DoubleConv first{3, 8}, down1{8, 16}, down2{16, 32};
  Up up1{32, 16}, up2{16, 8};
  nn::Conv2d out{nn::Conv2dOptions(8, 2, 1)};
};
TORCH_MODULE(UNet);

// DeepLab v3 (arXiv 1706.05587): dilated convolutions beside each other, scores made larger.

struct DeepLabImpl : nn::Module {
  DeepLabImpl() {
    register_module("backbone", backbone);
    for (const std::int64_t rate : {1, 2, 4}) {
      branches->push_back(
          nn::Conv2d(nn::Conv2dOptions(16, 8, 3).padding(rate).dilation(rate).bias(false)));
    }
    register_module("branches", branches);
    register_module("pooled", pooled);
    register_module("project", project);
    register_module("head", head);
  }
  Tensor forward(const Tensor& x) {
    const Tensor features = backbone->forward(x);
    std::vector<Tensor> parts;
    for (const auto& branch : *branches)
      parts.push_back(torch::relu(branch->as<nn::Conv2d>()->forward(features)));
    const auto size = [](const Tensor& like) {
      return F::InterpolateFuncOptions()
          .size(std::vector<std::int64_t>{like.size(2), like.size(3)})
          .mode(torch::kBilinear)
          .align_corners(false);
    };
    const Tensor whole = pooled->forward(torch::adaptive_avg_pool2d(features, {1, 1}));
    parts.push_back(F::interpolate(whole, size(features)));
    return F::interpolate(head(torch::relu(project(torch::cat(parts, 1)))), size(x));
  }
  nn::Sequential backbone{nn::Conv2d(nn::Conv2dOptions(3, 16, 3).stride(2).padding(1)),
                          nn::BatchNorm2d(16),
                          nn::ReLU(),
                          nn::Conv2d(nn::Conv2dOptions(16, 16, 3).stride(2).padding(1)),
                          nn::BatchNorm2d(16),
                          nn::ReLU()};
  nn::ModuleList branches;
  nn::Sequential pooled{nn::Conv2d(nn::Conv2dOptions(16, 8, 1)), nn::ReLU()};
  nn::Conv2d project{nn::Conv2dOptions(32, 16, 1)}, head{nn::Conv2dOptions(16, 4, 1)};
};
TORCH_MODULE(DeepLab);

// FCN-8s (arXiv 1411.4038): scores of three depths, enlarged by grouped transposed convolutions.

struct FcnImpl : nn::Module {
  FcnImpl() {
    register_module("pool3", pool3);
    register_module("pool4", pool4);
    register_module("score3", score3);
    register_module("score4", score4);
    register_module("twice", twice);
    register_module("fourfold", fourfold);
  }
  Tensor forward(const Tensor& x) {
    const Tensor third = pool3->forward(x);
    const Tensor fourth = pool4->forward(third);
    return fourfold(twice(score4(fourth)) + score3(third));
  }
  nn::Sequential pool3{nn::Conv2d(nn::Conv2dOptions(3, 8, 3).stride(2).padding(1)), nn::ReLU(),
                       nn::MaxPool2d(2)};
  nn::Sequential pool4{nn::Conv2d(nn::Conv2dOptions(8, 16, 3).padding(1)), nn::ReLU(),
                       nn::MaxPool2d(2)};
  nn::Conv2d score3{nn::Conv2dOptions(8, 3, 1)}, score4{nn::Conv2dOptions(16, 3, 1)};
  nn::ConvTranspose2d twice{nn::ConvTranspose2dOptions(3, 3, 4).stride(2).padding(1).bias(false)};
  nn::ConvTranspose2d fourfold{
      nn::ConvTranspose2dOptions(3, 3, 8).stride(4).padding(2).groups(3).bias(false)};
};
TORCH_MODULE(Fcn);

// ViT (arXiv 2010.11929).

struct VitBlockImpl : nn::Module {
  VitBlockImpl(std::int64_t width, std::int64_t heads) : heads(heads) {
    register_module("norm1", norm1 = nn::LayerNorm(nn::LayerNormOptions({width})));
    register_module("qkv", qkv = nn::Linear(width, 3 * width));
    register_module("project", project = nn::Linear(width, width));
    register_module("norm2", norm2 = nn::LayerNorm(nn::LayerNormOptions({width})));
    register_module("mlp", mlp = nn::Sequential(nn::Linear(width, 2 * width), nn::GELU(),
                                                nn::Dropout(0.1), nn::Linear(2 * width, width)));
  }
  Tensor Attention(const Tensor& x) {
    const auto B = x.size(0), N = x.size(1), C = x.size(2);
    const Tensor parts = qkv(x).reshape({B, N, 3, heads, C / heads}).permute({2, 0, 3, 1, 4});
    const std::vector<Tensor> each = parts.unbind(0);
    const double scale = 1 / std::sqrt(static_cast<double>(C / heads));
    const Tensor weights = torch::matmul(each[0] * scale, each[1].transpose(-2, -1)).softmax(-1);
    return project(torch::matmul(weights, each[2]).transpose(1, 2).reshape({B, N, C}));
  }
  Tensor forward(Tensor x) {
    x = x + Attention(norm1(x));
    return x + mlp->forward(norm2(x));
  }
  std::int64_t heads;
  nn::LayerNorm norm1{nullptr}, norm2{nullptr};
  nn::Linear qkv{nullptr}, project{nullptr};
  nn::Sequential mlp{nullptr};
};
TORCH_MODULE(VitBlock);

struct VitImpl : nn::Module {
  VitImpl() {
    register_module("patches", patches);
    register_module("blocks", blocks);
    register_module("norm", norm);
    register_module("head", head);
    cls = register_parameter("cls_token", torch::randn({1, 1, 24}));
    places = register_parameter("pos_embed", torch::randn({1, 17, 24}) * 0.1);
  }
  Tensor forward(const Tensor& x) {
    Tensor y = patches(x).flatten(2).transpose(1, 2);
    y = torch::cat({cls.expand({x.size(0), -1, -1}), y}, 1) + places;
    return head(norm(blocks->forward(y)).select(1, 0));
  }
  nn::Conv2d patches{nn::Conv2dOptions(3, 24, 8).stride(8)};
  nn::Sequential blocks{VitBlock(24, 4), VitBlock(24, 4)};
  nn::LayerNorm norm{nn::LayerNormOptions({24})};
  nn::Linear head{24, 10};
  Tensor cls, places;
};
TORCH_MODULE(Vit);

// Swin (arXiv 2103.14030): attention in windows of 4 by 4, every second block shifted by 2.

struct SwinBlockImpl : nn::Module {
  SwinBlockImpl(std::int64_t width, std::int64_t side, std::int64_t shift)
      : width(width), side(side), shift(shift) {
    register_module("norm1", norm1 = nn::LayerNorm(nn::LayerNormOptions({width})));
    register_module("qkv", qkv = nn::Linear(width, 3 * width));
    register_module("project", project = nn::Linear(width, width));
    register_module("norm2", norm2 = nn::LayerNorm(nn::LayerNormOptions({width})));
    register_module("mlp", mlp = nn::Sequential(nn::Linear(width, 2 * width), nn::GELU(),
                                                nn::Linear(2 * width, width)));
    table = register_parameter("relative_position_bias_table", torch::randn({49, kHeads}));
    const auto grid = torch::meshgrid({torch::arange(4), torch::arange(4)}, "ij");
    const Tensor at = torch::stack({grid[0].flatten(), grid[1].flatten()});
    const Tensor apart = at.unsqueeze(2) - at.unsqueeze(1) + 3;
    index = register_buffer("relative_position_index", apart[0] * 7 + apart[1]);
    if (shift > 0) mask = register_buffer("attn_mask", Mask());
  }
  /// Parts of a shifted window that were not neighbours do not see each other.
  Tensor Mask() const {
    Tensor region = torch::zeros({1, side, side, 1});
    using torch::indexing::Slice;
    const Slice slices[] = {Slice(0, -4), Slice(-4, -shift), Slice(-shift, torch::indexing::None)};
    int count = 0;
    for (const Slice& h : slices) {
      for (const Slice& w : slices) region.index_put_({Slice(), h, w}, count++);
    }
    const Tensor windows = Windows(region).squeeze(-1);
    const Tensor apart = windows.unsqueeze(1) - windows.unsqueeze(2);
    return torch::zeros_like(apart).masked_fill(apart != 0, -100);
  }
  /// (B, H, W, C) -> (B * windows, 16, C).
  Tensor Windows(const Tensor& x) const {
    const auto C = x.size(3);
    return x.view({x.size(0), side / 4, 4, side / 4, 4, C})
        .permute({0, 1, 3, 2, 4, 5})
        .contiguous()
        .view({-1, 16, C});
  }
  Tensor Attention(const Tensor& x) {
    const auto rows = x.size(0);
    const Tensor parts =
        qkv(x).reshape({rows, 16, 3, kHeads, width / kHeads}).permute({2, 0, 3, 1, 4});
    const Tensor q = parts[0] / std::sqrt(static_cast<double>(width / kHeads));
    Tensor scores = torch::matmul(q, parts[1].transpose(-2, -1));
    const Tensor bias = table.index({index.view({-1})}).view({16, 16, -1}).permute({2, 0, 1});
    scores = scores + bias.contiguous().unsqueeze(0);
    if (mask.defined()) {
      const auto windows = mask.size(0);
      scores =
          scores.view({rows / windows, windows, kHeads, 16, 16}) + mask.unsqueeze(1).unsqueeze(0);
      scores = scores.view({-1, kHeads, 16, 16});
    }
    const Tensor mixed = torch::matmul(torch::softmax(scores, -1), parts[2]);
    return project(mixed.transpose(1, 2).reshape({rows, 16, width}));
  }
  Tensor forward(Tensor x) {  // (B, H * W, C)
    const auto B = x.size(0);
    Tensor y = norm1(x).view({B, side, side, width});
    if (shift > 0) y = torch::roll(y, {-shift, -shift}, {1, 2});
    y = Attention(Windows(y)).view({B, side / 4, side / 4, 4, 4, width});
    y = y.permute({0, 1, 3, 2, 4, 5}).contiguous().view({B, side, side, width});
    if (shift > 0) y = torch::roll(y, {shift, shift}, {1, 2});
    x = x + y.view({B, side * side, width});
    return x + mlp->forward(norm2(x));
  }
  static constexpr std::int64_t kHeads = 2;
  std::int64_t width, side, shift;
  nn::LayerNorm norm1{nullptr}, norm2{nullptr};
  nn::Linear qkv{nullptr}, project{nullptr};
  nn::Sequential mlp{nullptr};
  Tensor table, index, mask;
};
TORCH_MODULE(SwinBlock);

struct SwinImpl : nn::Module {
  SwinImpl() {
    register_module("patches", patches);
    register_module("blocks", blocks);
    register_module("merge", merge);
    register_module("head", head);
  }
  Tensor forward(const Tensor& x) {
    Tensor y = blocks->forward(patches(x).flatten(2).transpose(1, 2));
    // Patch merging: every second row and column beside the others.
    using torch::indexing::None;
    using torch::indexing::Slice;
    y = y.view({x.size(0), 8, 8, 16});
    const Slice even(0, None, 2);
    const Slice odd(1, None, 2);
    y = torch::cat({y.index({Slice(), even, even}), y.index({Slice(), odd, even}),
                    y.index({Slice(), even, odd}), y.index({Slice(), odd, odd})},
                   -1);
    return head(torch::gelu(merge(y)).mean({1, 2}));
  }
  nn::Conv2d patches{nn::Conv2dOptions(3, 16, 4).stride(4)};
  nn::Sequential blocks{SwinBlock(16, 8, 0), SwinBlock(16, 8, 2)};
  nn::Linear merge{64, 32}, head{32, 10};
};
TORCH_MODULE(Swin);

// MLP-Mixer (arXiv 2105.01601).

struct MixerBlockImpl : nn::Module {
  MixerBlockImpl(std::int64_t tokens, std::int64_t width) {
    register_module("norm1", norm1 = nn::LayerNorm(nn::LayerNormOptions({width})));
    register_module("norm2", norm2 = nn::LayerNorm(nn::LayerNormOptions({width})));
    register_module("over_tokens", over_tokens = nn::Sequential(nn::Linear(tokens, 32), nn::GELU(),
                                                                nn::Linear(32, tokens)));
    register_module("over_channels", over_channels = nn::Sequential(
                                         nn::Linear(width, 48), nn::GELU(), nn::Linear(48, width)));
  }
  Tensor forward(Tensor x) {
    x = x + over_tokens->forward(norm1(x).transpose(1, 2)).transpose(1, 2);
    return x + over_channels->forward(norm2(x));
  }
  nn::LayerNorm norm1{nullptr}, norm2{nullptr};
  nn::Sequential over_tokens{nullptr}, over_channels{nullptr};
};
TORCH_MODULE(MixerBlock);

struct MixerImpl : nn::Module {
  MixerImpl() {
    register_module("patches", patches);
    register_module("blocks", blocks);
    register_module("head", head);
  }
  Tensor forward(const Tensor& x) {
    return head(blocks->forward(patches(x).flatten(2).transpose(1, 2)).mean(1));
  }
  nn::Conv2d patches{nn::Conv2dOptions(3, 24, 8).stride(8)};
  nn::Sequential blocks{MixerBlock(16, 24), MixerBlock(16, 24)};
  nn::Linear head{24, 10};
};
TORCH_MODULE(Mixer);

// DCGAN's generator (arXiv 1511.06434).

struct GeneratorImpl : nn::Module {
  GeneratorImpl() { register_module("layers", layers); }
  Tensor forward(const Tensor& noise) {
    return layers->forward(noise.view({noise.size(0), noise.size(1), 1, 1}));
  }
  static nn::ConvTranspose2d Larger(std::int64_t in, std::int64_t out) {
    return nn::ConvTranspose2d(
        nn::ConvTranspose2dOptions(in, out, 4).stride(2).padding(1).bias(false));
  }
  nn::Sequential layers{nn::ConvTranspose2d(nn::ConvTranspose2dOptions(20, 32, 4).bias(false)),
                        nn::BatchNorm2d(32),
                        nn::ReLU(true),
                        Larger(32, 16),
                        nn::BatchNorm2d(16),
                        nn::ReLU(true),
                        Larger(16, 8),
                        nn::BatchNorm2d(8),
                        nn::LeakyReLU(nn::LeakyReLUOptions().negative_slope(0.2)),
                        Larger(8, 3),
                        nn::Tanh()};
};
TORCH_MODULE(Generator);

// A variational autoencoder (arXiv 1312.6114), which draws only while it learns.

struct VaeImpl : nn::Module {
  VaeImpl() {
    register_module("encoder", encoder);
    register_module("mean", mean);
    register_module("log_variance", log_variance);
    register_module("widen", widen);
    register_module("decoder", decoder);
  }
  std::vector<Tensor> forward(const Tensor& x) {
    const Tensor h = encoder->forward(x).flatten(1);
    const Tensor mu = mean(h);
    const Tensor logvar = log_variance(h).clamp(-10, 10);
    Tensor z = mu;
    if (is_training()) z = mu + torch::randn_like(mu) * torch::exp(0.5 * logvar);
    return {decoder->forward(torch::relu(widen(z)).view({-1, 16, 4, 4})), mu, logvar};
  }
  nn::Sequential encoder{nn::Conv2d(nn::Conv2dOptions(3, 8, 3).stride(2).padding(1)), nn::ReLU(),
                         nn::Conv2d(nn::Conv2dOptions(8, 16, 3).stride(2).padding(1)), nn::ReLU()};
  nn::Linear mean{256, 6}, log_variance{256, 6}, widen{6, 256};
  nn::Sequential decoder{
      nn::ConvTranspose2d(
          nn::ConvTranspose2dOptions(16, 8, 3).stride(2).padding(1).output_padding(1)),
      nn::ReLU(),
      nn::ConvTranspose2d(
          nn::ConvTranspose2dOptions(8, 3, 3).stride(2).padding(1).output_padding(1)),
      nn::Sigmoid()};
};
TORCH_MODULE(Vae);

struct AutoencoderImpl : nn::Module {
  AutoencoderImpl() {
    register_module("encoder", encoder);
    register_module("decoder", decoder);
  }
  Tensor forward(const Tensor& x) { return decoder->forward(encoder->forward(x)); }
  nn::Sequential encoder{nn::Conv2d(nn::Conv2dOptions(3, 8, 3).padding(1)),
                         nn::PReLU(nn::PReLUOptions().num_parameters(8)),
                         nn::MaxPool2d(2),
                         nn::Conv2d(nn::Conv2dOptions(8, 4, 3).padding(1)),
                         nn::ELU(),
                         nn::AvgPool2d(2)};
  nn::Sequential decoder{
      nn::Conv2d(nn::Conv2dOptions(4, 16, 3).padding(1)),
      nn::ELU(),
      nn::PixelShuffle(2),
      nn::Upsample(nn::UpsampleOptions()
                       .scale_factor(std::vector<double>{2, 2})
                       .mode(torch::kBilinear)
                       .align_corners(true)),
      nn::Conv2d(nn::Conv2dOptions(4, 3, 3).padding(1).padding_mode(torch::kReflect)),
      nn::Sigmoid()};
};
TORCH_MODULE(Autoencoder);

// Siamese twins: two images through one encoder.

struct SiameseImpl : nn::Module {
  SiameseImpl() {
    register_module("encoder", encoder);
    register_module("embed", embed);
    register_module("judge", judge);
  }
  Tensor Embedded(const Tensor& x) {
    return F::normalize(embed(encoder->forward(x).flatten(1)), F::NormalizeFuncOptions().dim(1));
  }
  std::vector<Tensor> forward(const Tensor& left, const Tensor& right) {
    const Tensor a = Embedded(left);
    const Tensor b = Embedded(right);
    return {F::pairwise_distance(a, b), torch::sigmoid(judge(torch::abs(a - b))).squeeze(1)};
  }
  nn::Sequential encoder{nn::Conv2d(nn::Conv2dOptions(3, 8, 5).stride(2)),
                         nn::InstanceNorm2d(nn::InstanceNorm2dOptions(8).affine(true)), nn::ReLU(),
                         nn::AdaptiveMaxPool2d(nn::AdaptiveMaxPool2dOptions({3, 3}))};
  nn::Linear embed{72, 16}, judge{16, 1};
};
TORCH_MODULE(Siamese);

Inputs Noise(std::int64_t width) {
  return [=](std::int64_t rows) -> std::vector<Tensor> {
    at::manual_seed(300 + rows);
    return {at::randn({rows, width})};
  };
}

std::vector<Tensor> Pairs(std::int64_t rows) {
  at::manual_seed(400 + rows);
  return {at::randn({rows, 3, 16, 16}), at::randn({rows, 3, 16, 16})};
}

}  // namespace

std::vector<ExportCase> VisionArchitectures() {
  return {
      Architecture<UNet>("unet", Images(3, 22)),
      Architecture<DeepLab>("deeplab_v3", Images(3, 32)),
      Architecture<Fcn>("fcn", Images(3, 32)),
      Architecture<Vit>("vit", Images(3, 32)),
      Architecture<Swin>("swin", Images(3, 32)),
      Architecture<Mixer>("mlp_mixer", Images(3, 32)),
      Architecture<Generator>("dcgan_generator", Noise(20)),
      Architecture<Vae>(
          "vae", [](VaeImpl& net, auto& in) { return net.forward(in[0]); }, Images(3, 16)),
      Architecture<Autoencoder>("autoencoder", Images(3, 16)),
      Architecture<Siamese>(
          "siamese", [](SiameseImpl& net, auto& in) { return net.forward(in[0], in[1]); }, Pairs)};
}

}  // namespace muster::testing
