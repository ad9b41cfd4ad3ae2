#include <ATen/ATen.h>

#include <cstdio>
#include <filesystem>

#include "trainer/files/checkpoint_folder.h"
#include "trainer/torch/background_saver.h"

/// Saves what checkpoint_oracle.py expects: `checkpoint_write_case FOLDER`.

namespace muster::trainer {
namespace {

int Fail(const Error& error) {
  std::fprintf(stderr, "%s\n", error.message.c_str());
  return 1;
}

int WriteCase(const std::filesystem::path& folder) {
  std::filesystem::remove_all(folder);
  const auto store = files::OpenCheckpointFolder({.folder = folder, .attempt = 3});
  if (!store.ok()) return Fail(store.error());
  const at::Tensor counted = at::arange(24).reshape({2, 3, 4});
  NamedTensors tensors;
  for (const auto type : {at::kFloat, at::kDouble, at::kHalf, at::kBFloat16, at::kLong, at::kInt,
                          at::kShort, at::kChar, at::kByte, at::kBool}) {
    tensors.emplace_back("model." + std::string(c10::toString(type)), counted.to(type));
  }
  tensors.emplace_back("model.transposed", counted.to(at::kFloat).transpose(0, 2));
  tensors.emplace_back(
      "model.channels_last",
      at::arange(48, at::kFloat).reshape({2, 2, 3, 4}).contiguous(at::MemoryFormat::ChannelsLast));
  tensors.emplace_back("model.einfach \"ü\"\n", at::full({2}, -0.5));
  tensors.emplace_back("optimizer.empty", at::empty({0, 3}));
  tensors.emplace_back("optimizer.steps.0", at::full({}, 12345.0));
  tensors.emplace_back("ema.large", at::arange(3'000'000, at::kFloat));
  tensors.emplace_back("scaler.scale", at::full({}, 65536.0, at::kDouble));
  BackgroundSaver saver(**store);
  const Status begun = saver.Begin({.step = 42, .epoch = 2, .metrics = {{"validation/loss", 0.25}}},
                                   {{"program", "case"}, {"params", R"({"lr": 0.1})"}}, tensors,
                                   /*best=*/true);
  if (!begun.ok()) return Fail(begun.error());
  const auto saved = saver.Wait();
  return saved->path.ok() ? 0 : Fail(saved->path.error());
}

}  // namespace
}  // namespace muster::trainer

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  return muster::trainer::WriteCase(argv[1]);
}
