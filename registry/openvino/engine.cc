#include "registry/openvino/engine.h"

#include <dlfcn.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <exception>
#include <mutex>
#include <openvino/openvino.hpp>
#include <utility>

namespace muster::registry {

namespace {

using ov::element::Type_t;

constexpr std::array kTypePairs{
    std::pair{ElementType::kF32, Type_t::f32},     std::pair{ElementType::kF64, Type_t::f64},
    std::pair{ElementType::kF16, Type_t::f16},     std::pair{ElementType::kBf16, Type_t::bf16},
    std::pair{ElementType::kI8, Type_t::i8},       std::pair{ElementType::kI16, Type_t::i16},
    std::pair{ElementType::kI32, Type_t::i32},     std::pair{ElementType::kI64, Type_t::i64},
    std::pair{ElementType::kU8, Type_t::u8},       std::pair{ElementType::kU16, Type_t::u16},
    std::pair{ElementType::kU32, Type_t::u32},     std::pair{ElementType::kU64, Type_t::u64},
    std::pair{ElementType::kBool, Type_t::boolean}};

std::vector<std::int64_t> ShapeOf(const ov::PartialShape& shape) {
  std::vector<std::int64_t> sizes;
  for (const auto& size : shape) sizes.push_back(size.is_static() ? size.get_length() : -1);
  return sizes;
}

Result<TensorSpec> SpecOf(const std::string& name, const ov::Output<const ov::Node>& port) {
  const auto pair = std::find_if(kTypePairs.begin(), kTypePairs.end(), [&](const auto& candidate) {
    return ov::element::Type(candidate.second) == port.get_element_type();
  });
  if (pair == kTypePairs.end()) {
    return Unsupported("tensor '" + name + "' is of type " +
                       port.get_element_type().get_type_name());
  }
  if (port.get_partial_shape().rank().is_dynamic()) {
    return Unsupported("tensor '" + name + "' has no fixed number of dimensions");
  }
  return TensorSpec{name, pair->first, ShapeOf(port.get_partial_shape())};
}

template <typename T>
Status CheckRange(const Tensor& tensor) {
  T value{};
  for (std::size_t at = 0; at < tensor.bytes.size(); at += sizeof value) {
    std::memcpy(&value, tensor.bytes.data() + at, sizeof value);
    if (!std::in_range<std::int32_t>(value)) {
      return Invalid("input '" + tensor.name + "' holds " + std::to_string(value) +
                     "; OpenVINO computes integers in 32 bits, with a sign");
    }
  }
  return Ok();
}

/// The CPU plugin narrows these types without a word.
Status CheckRange(const Tensor& tensor) {
  switch (tensor.type) {
    case ElementType::kI64:
      return CheckRange<std::int64_t>(tensor);
    case ElementType::kU64:
      return CheckRange<std::uint64_t>(tensor);
    case ElementType::kU32:
      return CheckRange<std::uint32_t>(tensor);
    default:
      return Ok();
  }
}

/// 0 when the model has no kActivationGroupKey.
Result<std::uint64_t> ActivationGroup(const ov::Model& model) {
  const std::string key(kActivationGroupKey);
  // Where OpenVINO's reader puts metadata_props.
  if (!model.has_rt_info("framework", key)) return std::uint64_t{0};
  const auto text = model.get_rt_info<std::string>("framework", key);
  std::uint64_t group = 0;
  const char* end = text.data() + text.size();
  const auto read = std::from_chars(text.data(), end, group);
  if (read.ec == std::errc() && read.ptr == end && group > 0) return group;
  return Invalid("the model's " + key + " is '" + text + "'; wanted a number above 0");
}

class OpenVinoModel final : public InferenceModel {
 public:
  OpenVinoModel(ov::CompiledModel compiled, std::vector<TensorSpec> inputs,
                std::vector<TensorSpec> outputs)
      : compiled_(std::move(compiled)), inputs_(std::move(inputs)), outputs_(std::move(outputs)) {}

  [[nodiscard]] const std::vector<TensorSpec>& inputs() const override { return inputs_; }
  [[nodiscard]] const std::vector<TensorSpec>& outputs() const override { return outputs_; }

  Result<std::vector<Tensor>> Infer(const std::vector<Tensor>& inputs) override {
    MUSTER_RETURN_IF_ERROR(CheckInputs(inputs_, inputs));
    for (const Tensor& input : inputs) MUSTER_RETURN_IF_ERROR(CheckRange(input));
    try {
      ov::InferRequest request = Take();
      for (std::size_t i = 0; i < inputs_.size(); ++i) {
        const auto input = std::find_if(inputs.begin(), inputs.end(), [&](const Tensor& candidate) {
          return candidate.name == inputs_[i].name;
        });
        ov::Tensor target = request.get_input_tensor(i);
        target.set_shape(ov::Shape(input->shape.begin(), input->shape.end()));
        if (!input->bytes.empty()) {
          std::memcpy(target.data(), input->bytes.data(), input->bytes.size());
        }
      }
      request.infer();
      std::vector<Tensor> outputs;
      outputs.reserve(outputs_.size());
      for (std::size_t i = 0; i < outputs_.size(); ++i) {
        outputs.push_back(Copy(outputs_[i], request.get_output_tensor(i)));
      }
      Give(std::move(request));
      return outputs;
    } catch (const std::bad_alloc&) {
      return ResourceExhausted("OpenVINO: out of memory");
    } catch (const std::exception& error) {
      // The request is dropped: what a failed one still holds is not ours to guess.
      return Internal(std::string("OpenVINO: ") + error.what());
    }
  }

 private:
  static Tensor Copy(const TensorSpec& spec, const ov::Tensor& from) {
    Tensor tensor{spec.name, spec.type, {}, {}};
    const ov::Shape& shape = from.get_shape();
    tensor.shape.assign(shape.begin(), shape.end());
    const auto* bytes = static_cast<const std::byte*>(from.data());
    tensor.bytes.assign(bytes, bytes + from.get_byte_size());
    return tensor;
  }

  /// As many requests exist as threads have ever inferred at once.
  ov::InferRequest Take() {
    {
      const std::lock_guard lock(mutex_);
      if (!free_.empty()) {
        ov::InferRequest request = std::move(free_.back());
        free_.pop_back();
        return request;
      }
    }
    return compiled_.create_infer_request();
  }
  void Give(ov::InferRequest request) {
    const std::lock_guard lock(mutex_);
    free_.push_back(std::move(request));
  }

  ov::CompiledModel compiled_;
  std::vector<TensorSpec> inputs_, outputs_;
  std::mutex mutex_;  ///< guards free_
  std::vector<ov::InferRequest> free_;
};

class OpenVinoEngine final : public InferenceEngine {
 public:
  Result<std::unique_ptr<InferenceModel>> Load(const std::filesystem::path& onnx_file,
                                               int threads) override {
    std::error_code failed;
    if (!std::filesystem::is_regular_file(onnx_file, failed)) {
      return NotFound("there is no model file " + onnx_file.string());
    }
    if (threads < 0) return Invalid("threads: wanted 0 or more, got " + std::to_string(threads));
    try {
      ov::AnyMap options{ov::hint::performance_mode(ov::hint::PerformanceMode::LATENCY),
                         // The default on CPUs that have it is bf16, which fails any parity gate.
                         ov::hint::inference_precision(ov::element::f32), ov::num_streams(1)};
      if (threads > 0) options.insert(ov::inference_num_threads(threads));
      const auto model = core_.read_model(onnx_file.string());
      MUSTER_ASSIGN_OR_RETURN(const std::uint64_t group, ActivationGroup(*model));
      // The default is 32: activations in front of int8 weights are quantised, asked or not.
      options.insert(ov::hint::dynamic_quantization_group_size(group));
      return Wrap(*model, core_.compile_model(model, "CPU", options));
    } catch (const std::bad_alloc&) {
      return ResourceExhausted("OpenVINO: out of memory with " + onnx_file.string());
    } catch (const std::exception& error) {
      return Invalid("OpenVINO cannot compute " + onnx_file.string() + ": " + error.what());
    }
  }

  [[nodiscard]] std::string name() const override {
    // "2026.4.1-22012-..."
    const std::string build = ov::get_openvino_version().buildNumber;
    return "OpenVINO " + build.substr(0, build.find('-'));
  }

 private:
  /// Names are those of the model as it was read: a compiled one's input has also the name of what was merged with it, a
  /// cast say.
  static Result<std::unique_ptr<InferenceModel>> Wrap(const ov::Model& read,
                                                      ov::CompiledModel compiled) {
    std::vector<TensorSpec> inputs, outputs;
    for (std::size_t i = 0; i < compiled.inputs().size(); ++i) {
      MUSTER_ASSIGN_OR_RETURN(inputs.emplace_back(),
                              SpecOf(read.input(i).get_any_name(), compiled.input(i)));
    }
    for (std::size_t i = 0; i < compiled.outputs().size(); ++i) {
      MUSTER_ASSIGN_OR_RETURN(outputs.emplace_back(),
                              SpecOf(read.output(i).get_any_name(), compiled.output(i)));
    }
    return std::unique_ptr<InferenceModel>(
        new OpenVinoModel(std::move(compiled), std::move(inputs), std::move(outputs)));
  }

  ov::Core core_;  ///< safe from many threads
};

}  // namespace

std::unique_ptr<InferenceEngine> MakeOpenVinoEngine() { return std::make_unique<OpenVinoEngine>(); }

Result<std::filesystem::path> OpenVinoFolder() {
  Dl_info library{};
  if (::dladdr(reinterpret_cast<const void*>(&ov::get_openvino_version), &library) == 0) {
    return IoError("find OpenVINO's library", ENOENT);
  }
  std::error_code code;
  const auto file = std::filesystem::canonical(library.dli_fname, code);
  if (code) return IoError(library.dli_fname, code.value());
  return file.parent_path();
}

}  // namespace muster::registry
