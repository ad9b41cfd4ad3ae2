// write_cases DIR: each model in each form, with the rows it was calibrated on, for oracle.py.
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <map>

#include "registry/compression_form.h"
#include "registry/onnx/checker.h"
#include "registry/onnx/compress/half_float.h"
#include "registry/onnx/writer.h"
#include "registry/openvino/engine.h"
#include "runtime/base/file.h"
#include "tests/registry/onnx/compress/models.h"
#include "tests/support/npy.h"

namespace muster::registry {
namespace {

namespace fs = std::filesystem;
namespace compress = onnx::compress;
using muster::testing::WriteNpy;

constexpr std::int64_t kRows = 96;

template <typename T>
T Value(Result<T> result, const std::string& what) {
  if (result.ok()) return std::move(result).value();
  std::cerr << what << ": " << result.error().message << "\n";
  std::exit(1);
}

std::string_view Text(const std::vector<std::byte>& bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

Tensor InputRows(const onnx::ValueInfo& input) {
  Random random(9);
  Tensor rows{input.name, ElementType::kF32, {kRows}, {}};
  std::size_t count = kRows;
  for (std::size_t i = 1; i < input.shape.size(); ++i) {
    rows.shape.push_back(input.shape[i].size);
    count *= static_cast<std::size_t>(input.shape[i].size);
  }
  const auto fill = [&](auto next) {
    std::vector<decltype(next())> values(count);
    for (auto& value : values) value = next();
    rows.bytes.resize(count * sizeof values[0]);
    std::memcpy(rows.bytes.data(), values.data(), rows.bytes.size());
  };
  if (input.type == onnx::DataType::kInt64) {
    rows.type = ElementType::kI64;
    fill([&] { return static_cast<std::int64_t>(random.Uniform(0, 100)); });
  } else {
    fill([&] { return static_cast<float>(random.Normal()); });
  }
  return rows;
}

class Cases {
 public:
  Cases(fs::path folder, onnx::Model model) : folder_(std::move(folder)), model_(std::move(model)) {
    fs::create_directories(folder_);
  }

  void Write() {
    const Tensor rows = InputRows(model_.graph.inputs[0]);
    WriteNpy(folder_ / "rows.npy", rows.type == ElementType::kI64 ? "<i8" : "<f4", rows.shape,
             Text(rows.bytes));
    const compress::Options options{.min_elements = 64};
    Save("f32", model_);
    Save("dynamic", Value(compress::QuantizeDynamic(model_, options), "dynamic").model);
    Save("weight_only", Value(compress::QuantizeWeights(model_, options), "weight-only").model);
    Save("fp16", Value(compress::ToHalf(model_), "fp16").model);
    Save(
        "prune_tensor",
        Value(compress::Prune(model_, 0.5, compress::PruneScope::kTensor, options), "prune").model);
    Save(
        "prune_global",
        Value(compress::Prune(model_, 0.3, compress::PruneScope::kGlobal, options), "prune").model);
    for (const auto& [name, method] : {std::pair("minmax", compress::RangeMethod::kMinMax),
                                       std::pair("percentile", compress::RangeMethod::kPercentile),
                                       std::pair("entropy", compress::RangeMethod::kEntropy)}) {
      WriteStatic(name, method, rows, options);
    }
  }

 private:
  void WriteStatic(const std::string& name, compress::RangeMethod method, const Tensor& rows,
                   const compress::Options& options) {
    const auto load = [&](std::string_view bytes) -> Result<std::unique_ptr<InferenceModel>> {
      const fs::path file = folder_ / "calibrated.onnx";
      MUSTER_RETURN_IF_ERROR(WriteFileAtomically(file, bytes));
      return engine_->Load(file, 1);
    };
    Evaluation evaluation;
    evaluation.inputs = {rows};
    const auto ranges = Value(Calibrate(model_, evaluation, method, load, options), "calibration");
    boost::json::object json;
    for (const auto& [value, range] : ranges) json[value] = {range.low, range.high};
    std::ofstream(folder_ / ("ranges_" + name + ".json")) << boost::json::serialize(json);
    Save("static_" + name, Value(compress::QuantizeStatic(model_, ranges, options), name).model);
  }

  void Save(const std::string& form, const onnx::Model& model) {
    const std::string what = folder_.filename().string() + " " + form;
    if (const Status checked = onnx::Check(model); !checked.ok()) {
      std::cerr << what << ": " << checked.error().message << "\n";
      std::exit(1);
    }
    std::ofstream(folder_ / (form + ".onnx"), std::ios::binary) << Value(onnx::Write(model), what);
  }

  fs::path folder_;
  onnx::Model model_;
  std::unique_ptr<InferenceEngine> engine_ = MakeOpenVinoEngine();
};

/// Every kind of float with what HalfBits makes of it.
void WriteHalves(const fs::path& folder) {
  Random random(11);
  std::string floats, halves;
  for (int i = 0; i < 200'000; ++i) {
    const double magnitude = std::pow(2.0, random.Uniform(-28, 18));
    auto value = static_cast<float>(random.Chance(0.5) ? magnitude : -magnitude);
    // Ties between two halves come up by themselves only rarely.
    if (i % 4 == 0) {
      std::uint32_t bits = 0;
      std::memcpy(&bits, &value, 4);
      bits = (bits & ~0x1fffU) | 0x1000U;
      std::memcpy(&value, &bits, 4);
    }
    const std::uint16_t half = compress::HalfBits(value);
    floats.append(reinterpret_cast<const char*>(&value), 4);
    halves.append(reinterpret_cast<const char*>(&half), 2);
  }
  WriteNpy(folder / "floats.npy", "<f4", {200'000}, floats);
  WriteNpy(folder / "halves.npy", "<u2", {200'000}, halves);
}

}  // namespace
}  // namespace muster::registry

int main(int argc, char** argv) {
  using namespace muster;
  if (argc != 2) {
    std::cerr << "usage: write_cases DIR\n";
    return 2;
  }
  const std::filesystem::path folder = argv[1];
  registry::Cases(folder / "mlp", onnx::testing::Mlp()).Write();
  registry::Cases(folder / "convolutions", onnx::testing::Convolutions()).Write();
  registry::Cases(folder / "embeddings", onnx::testing::Embeddings()).Write();
  registry::Cases(folder / "attention", onnx::testing::Attention()).Write();
  registry::WriteHalves(folder);
  return 0;
}
