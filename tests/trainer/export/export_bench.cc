// export_bench FOLDER WIDTH LAYERS VOCABULARY LENGTH: exports a GPT with random weights to
// FOLDER/model.onnx and prints what that took, as one JSON object; beside it input.npy and output.npy, what LibTorch
// computes. scripts/bench/registry/export runs it beside Python's exporter, with the same model.

#include <torch/nn.h>

#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>

#include "registry/files/onnx_file.h"
#include "tests/support/npy.h"
#include "trainer/export/builder.h"
#include "trainer/export/export.h"

namespace muster {
namespace {

namespace nn = torch::nn;
using at::Tensor;

struct BlockImpl : nn::Module {
  explicit BlockImpl(std::int64_t width)
      : heads(width / 64),
        norm1(register_module("norm1", nn::LayerNorm(nn::LayerNormOptions({width})))),
        norm2(register_module("norm2", nn::LayerNorm(nn::LayerNormOptions({width})))),
        qkv(register_module("qkv", nn::Linear(width, 3 * width))),
        project(register_module("project", nn::Linear(width, width))),
        up(register_module("up", nn::Linear(width, 4 * width))),
        down(register_module("down", nn::Linear(4 * width, width))) {}
  Tensor forward(const Tensor& x) {
    const std::int64_t rows = x.size(0), length = x.size(1), width = x.size(2);
    const auto parts = qkv(norm1(x)).split(width, 2);
    const auto split = [&](const Tensor& t) {
      return t.view({rows, length, heads, width / heads}).transpose(1, 2);
    };
    const Tensor mixed = at::scaled_dot_product_attention(split(parts[0]), split(parts[1]),
                                                          split(parts[2]), {}, 0.0, true);
    const Tensor y = x + project(mixed.transpose(1, 2).reshape({rows, length, width}));
    return y + down(at::gelu(up(norm2(y))));
  }
  std::int64_t heads;
  nn::LayerNorm norm1, norm2;
  nn::Linear qkv, project, up, down;
};
TORCH_MODULE(Block);

struct GptImpl : nn::Module {
  GptImpl(std::int64_t width, std::int64_t layers, std::int64_t vocabulary, std::int64_t length)
      : tokens(register_module("tokens", nn::Embedding(vocabulary, width))),
        places(register_module("places", nn::Embedding(length, width))),
        norm(register_module("norm", nn::LayerNorm(nn::LayerNormOptions({width})))),
        head(
            register_module("head", nn::Linear(nn::LinearOptions(width, vocabulary).bias(false)))) {
    for (std::int64_t i = 0; i < layers; ++i) blocks->push_back(Block(width));
    register_module("blocks", blocks);
  }
  Tensor forward(const Tensor& ids) {
    const Tensor x = tokens(ids) + places(at::arange(ids.size(1), at::kLong));
    return head(norm(blocks->forward(x)));
  }
  nn::Embedding tokens, places;
  nn::Sequential blocks;
  nn::LayerNorm norm;
  nn::Linear head;
};
TORCH_MODULE(Gpt);

/// A line of /proc/self/status, in KiB.
long StatusKib(const std::string& name) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with(name + ":")) return std::stol(line.substr(name.size() + 1));
  }
  return -1;
}

Status WriteRows(const std::filesystem::path& path, const Tensor& tensor, const char* type) {
  const onnx::Tensor plain = exporting::OnnxTensor("", tensor);
  testing::WriteNpy(path, type, plain.dims, std::string(plain.bytes));
  return Ok();
}

Status Run(const std::filesystem::path& folder, const std::vector<std::int64_t>& sizes) {
  at::manual_seed(1);
  Gpt model(sizes[0], sizes[1], sizes[2], sizes[3]);
  model->eval();
  std::int64_t parameters = 0;
  for (const Tensor& p : model->parameters()) parameters += p.numel();
  const Tensor ids = at::randint(0, sizes[2], {2, sizes[3]}, at::kLong);
  const long before = StatusKib("VmRSS");
  const auto start = std::chrono::steady_clock::now();
  MUSTER_ASSIGN_OR_RETURN(
      const onnx::Model exported,
      exporting::ExportModule(
          *model,
          [&](const std::vector<Tensor>& in) -> std::vector<Tensor> {
            return {model->forward(in[0])};
          },
          {ids}, {.model_name = "gpt", .input_names = {"ids"}, .output_names = {"logits"}}));
  const std::chrono::duration<double> traced = std::chrono::steady_clock::now() - start;
  MUSTER_RETURN_IF_ERROR(registry::WriteOnnxFile(exported, folder / "model.onnx"));
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  std::printf(
      "{\"parameters\": %ld, \"export_s\": %.3f, \"write_s\": %.3f, \"before_kib\": %ld, "
      "\"peak_kib\": %ld}\n",
      static_cast<long>(parameters), seconds.count(), (seconds - traced).count(), before,
      StatusKib("VmHWM"));
  const at::NoGradGuard no_grad;
  MUSTER_RETURN_IF_ERROR(WriteRows(folder / "input.npy", ids, "<i8"));
  return WriteRows(folder / "output.npy", model->forward(ids), "<f4");
}

}  // namespace
}  // namespace muster

int main(int argc, char** argv) {
  if (argc != 6) {
    std::fprintf(stderr, "usage: export_bench FOLDER WIDTH LAYERS VOCABULARY LENGTH\n");
    return 2;
  }
  std::vector<std::int64_t> sizes;
  for (int i = 2; i < argc; ++i) sizes.push_back(std::atoll(argv[i]));
  const muster::Status status = muster::Run(argv[1], sizes);
  if (!status.ok()) std::fprintf(stderr, "export_bench: %s\n", status.error().message.c_str());
  return status.ok() ? 0 : 1;
}
