#include <torch/nn.h>

#include "tests/trainer/export/models.h"

namespace muster::testing {
namespace {

namespace nn = torch::nn;
using at::Tensor;

/// Other lengths for other numbers of rows; the example, of two rows, has the longest.
std::int64_t LengthFor(std::int64_t rows) { return rows == 2 ? 16 : 4 + rows % 12; }

ExportCase AnyLengthGpt() {
  ExportCase gpt = CausalTransformer();
  gpt.name = "gpt_any_length";
  gpt.options.input_names = {"ids"};
  gpt.options.dynamic_axes = {{"ids", {{1, "length"}}}};
  gpt.weights_apart = true;
  gpt.inputs = [](std::int64_t rows) -> std::vector<Tensor> {
    at::manual_seed(600 + rows);
    return {at::randint(0, 29, {rows, LengthFor(rows)}, at::kLong)};
  };
  return gpt;
}

/// Dilated convolutions over time with a residual (Bai et al. 2018).
struct TcnImpl : nn::Module {
  TcnImpl() {
    register_module("first", first);
    register_module("second", second);
    register_module("head", head);
  }
  Tensor forward(const Tensor& x) {  // (B, 3, T) -> logits of each step (B * T, 5)
    const Tensor hidden = at::relu(first(x));
    const Tensor y = hidden + at::relu(second(hidden));
    return head(y.transpose(1, 2).reshape({x.size(0) * x.size(2), 8}));
  }
  nn::Conv1d first{nn::Conv1dOptions(3, 8, 3).padding(1)};
  nn::Conv1d second{nn::Conv1dOptions(8, 8, 3).padding(2).dilation(2)};
  nn::Linear head{8, 5};
};
TORCH_MODULE(Tcn);

ExportCase AnyLengthTcn() {
  at::manual_seed(7);
  const Tcn tcn;
  return {"tcn_any_length",
          tcn.ptr(),
          [module = tcn.ptr()](const std::vector<Tensor>& in) -> std::vector<Tensor> {
            return {module->forward(in[0])};
          },
          [](std::int64_t rows) -> std::vector<Tensor> {
            at::manual_seed(700 + rows);
            return {at::randn({rows, 3, LengthFor(rows)})};
          },
          {.dynamic_axes = {{"input", {{2, "length"}}}}}};
}

/// Down by halves and up again, beside the way straight through (Ronneberger et al. 2015).
struct UNetImpl : nn::Module {
  UNetImpl() {
    register_module("in", in);
    register_module("down", down);
    register_module("up", up);
    register_module("out", out);
  }
  Tensor forward(const Tensor& x) {
    const Tensor wide = at::relu(in(x));
    const Tensor deep = at::relu(down(at::max_pool2d(wide, 2)));
    return out(at::cat({wide, up(deep)}, 1)).flatten(2);  // (B, 2, H * W)
  }
  nn::Conv2d in{nn::Conv2dOptions(1, 4, 3).padding(1)};
  nn::Conv2d down{nn::Conv2dOptions(4, 8, 3).stride(2).padding(1)};
  nn::ConvTranspose2d up{nn::ConvTranspose2dOptions(8, 4, 4).stride(4)};
  nn::Conv2d out{nn::Conv2dOptions(8, 2, 1)};
};
TORCH_MODULE(UNet);

ExportCase AnySizeUNet() {
  at::manual_seed(8);
  const UNet net;
  return {"unet_any_size",
          net.ptr(),
          [module = net.ptr()](const std::vector<Tensor>& in) -> std::vector<Tensor> {
            return {module->forward(in[0])};
          },
          [](std::int64_t rows) -> std::vector<Tensor> {
            at::manual_seed(800 + rows);
            const std::int64_t height = rows == 2 ? 24 : 4 * rows;
            return {at::randn({rows, 1, height, 28 - height % 20})};
          },
          {.dynamic_axes = {{"input", {{2, "height"}, {3, "width"}}}},
           .multiples = {{"height", 4}, {"width", 4}}}};
}

/// A tag for each word, by what stands before and after it.
struct TaggerImpl : nn::Module {
  TaggerImpl() {
    register_module("lstm", lstm);
    register_module("gru", gru);
    register_module("tags", tags);
  }
  Tensor forward(const Tensor& x) {  // (B, T, 3) -> (B, T, 5)
    const Tensor read = std::get<0>(lstm(x));
    return tags(read + std::get<0>(gru(x.transpose(0, 1))).transpose(0, 1));
  }
  nn::LSTM lstm{nn::LSTMOptions(3, 4).num_layers(2).bidirectional(true).batch_first(true)};
  nn::GRU gru{nn::GRUOptions(3, 8)};
  nn::Linear tags{8, 5};
};
TORCH_MODULE(Tagger);

ExportCase AnyLengthTagger() {
  at::manual_seed(9);
  const Tagger tagger;
  return {"tagger_any_length",
          tagger.ptr(),
          [module = tagger.ptr()](const std::vector<Tensor>& in) -> std::vector<Tensor> {
            return {module->forward(in[0])};
          },
          [](std::int64_t rows) -> std::vector<Tensor> {
            at::manual_seed(900 + rows);
            return {at::randn({rows, LengthFor(rows), 3})};
          },
          {.dynamic_axes = {{"input", {{1, "length"}}}}}};
}

ExportCase AnyLengthEncoder() {
  ExportCase encoder = TorchEncoder();
  encoder.name = "encoder_any_length";
  encoder.options.dynamic_axes = {{"input", {{1, "length"}}}};
  encoder.inputs = [](std::int64_t rows) -> std::vector<Tensor> {
    at::manual_seed(1000 + rows);
    return {at::randn({rows, LengthFor(rows), 16})};
  };
  return encoder;
}

}  // namespace

std::vector<ExportCase> DynamicCases() {
  return {AnyLengthGpt(), AnyLengthTcn(), AnySizeUNet(), AnyLengthTagger(), AnyLengthEncoder()};
}

}  // namespace muster::testing
