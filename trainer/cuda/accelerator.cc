#include "trainer/cuda/accelerator.h"

#include <ATen/Context.h>
#include <ATen/cuda/CUDAContext.h>
#include <ATen/cuda/CUDAEvent.h>
#include <ATen/cuda/CUDAGraph.h>
#include <ATen/ops/empty.h>
#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAFunctions.h>
#include <c10/cuda/CUDAStream.h>

namespace muster::trainer::cuda {
namespace {

/// Dense peak of the matrix units in TFLOP/s, by the vendor's data sheets: in bf16 or fp16, and in fp32 without TF32.
struct Peak {
  std::string_view name;
  double half, single;
};
constexpr Peak kPeaks[] = {
    {"H200", 989, 67},       {"H100 PCIe", 756, 51}, {"H100 NVL", 835, 60}, {"H100", 989, 67},
    {"A100", 312, 19.5},     {"L40S", 362, 91.6},    {"L4", 121, 30.3},     {"A10", 125, 31.2},
    {"RTX 4090", 165, 82.6}, {"V100", 125, 15.7},    {"T4", 65, 8.1},
};

class CudaStepGraph final : public StepGraph {
 public:
  /// Beside the uploads of other threads: what they ask of CUDA meanwhile is none of the capture's business.
  explicit CudaStepGraph(const std::function<void()>& step) {
    const auto& generator =
        at::globalContext().defaultGenerator(at::Device(at::kCUDA, c10::cuda::current_device()));
    graph_.register_generator_state(generator);
    graph_.capture_begin({0, 0}, cudaStreamCaptureModeThreadLocal);
    step();
    graph_.capture_end();
  }
  void Replay() override { graph_.replay(); }

 private:
  at::cuda::CUDAGraph graph_;
};

class CudaAccelerator final : public Accelerator {
 public:
  explicit CudaAccelerator(int index)
      : device_(at::kCUDA, static_cast<c10::DeviceIndex>(index)),
        computing_(c10::cuda::getStreamFromPool(/*isHighPriority=*/true, device_.index())),
        copying_(c10::cuda::getStreamFromPool(/*isHighPriority=*/false, device_.index())) {
    c10::cuda::set_device(device_.index());
    c10::cuda::setCurrentCUDAStream(computing_);
  }

  [[nodiscard]] at::Device device() const override { return device_; }
  [[nodiscard]] std::string name() const override {
    return at::cuda::getDeviceProperties(device_.index())->name;
  }
  [[nodiscard]] std::string id() const override {
    const auto& uuid = at::cuda::getDeviceProperties(device_.index())->uuid.bytes;
    std::string text = "GPU-";
    for (const char byte : uuid) {
      constexpr std::string_view kDigits = "0123456789abcdef";
      text += kDigits[static_cast<unsigned char>(byte) >> 4];
      text += kDigits[static_cast<unsigned char>(byte) & 15];
    }
    return text;
  }
  void Synchronize() override { c10::cuda::device_synchronize(); }
  [[nodiscard]] std::int64_t peak_bytes() const override {
    const auto stats = c10::cuda::CUDACachingAllocator::getDeviceStats(device_.index());
    return stats.allocated_bytes[0].peak;
  }
  [[nodiscard]] double peak_flops(Precision precision) const override {
    const std::string gpu = name();
    for (const Peak& peak : kPeaks) {
      if (gpu.find(peak.name) == std::string::npos) continue;
      return 1e12 * (precision == Precision::kFp32 ? peak.single : peak.half);
    }
    return 0;
  }

  [[nodiscard]] at::Tensor HostBuffer(at::IntArrayRef sizes, at::ScalarType type) const override {
    return at::empty(sizes, at::TensorOptions(type).pinned_memory(true));
  }

  [[nodiscard]] Upload Start(std::vector<at::Tensor> host) const override {
    const c10::cuda::CUDAStreamGuard guard(copying_);
    Upload upload;
    for (const at::Tensor& tensor : host) {
      upload.tensors.push_back(tensor.to(device_, tensor.scalar_type(), /*non_blocking=*/true));
    }
    auto done = std::make_shared<at::cuda::CUDAEvent>();
    done->record(copying_);
    upload.wait = [done, tensors = upload.tensors, stream = computing_] {
      done->block(stream);
      // Memory that is freed here must not be written by the next copy before what reads it now has run.
      for (const at::Tensor& tensor : tensors) tensor.record_stream(stream);
    };
    return upload;
  }

  [[nodiscard]] std::unique_ptr<StepGraph> Capture(const std::function<void()>& step) override {
    // What the steps before have left free is of no use to a graph, which has memory of its own.
    c10::cuda::CUDACachingAllocator::emptyCache();
    return std::make_unique<CudaStepGraph>(step);
  }

 private:
  at::Device device_;
  c10::cuda::CUDAStream computing_, copying_;
};

}  // namespace

Result<std::unique_ptr<Accelerator>> MakeCudaAccelerator(int rank) {
  try {
    at::globalContext().lazyInitDevice(at::kCUDA);
    const int count = c10::cuda::device_count();
    if (count == 0) return Unavailable("CUDA sees no GPU");
    return std::unique_ptr<Accelerator>(std::make_unique<CudaAccelerator>(rank % count));
  } catch (const c10::Error& error) {
    return Unavailable(std::string("CUDA: ") + error.what_without_backtrace());
  } catch (const std::exception& error) {
    return Unavailable(std::string("CUDA: ") + error.what());
  }
}

}  // namespace muster::trainer::cuda
