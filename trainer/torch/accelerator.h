#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "trainer/precision.h"

/// What the loop wants of the device it trains on beyond LibTorch's operators. One process, one device. Adapters: the
/// host here, a GPU in trainer/cuda.

namespace muster::trainer {

/// Copies on their way to the device.
struct Upload {
  std::vector<at::Tensor> tensors;  ///< on the device
  /// Makes what the calling thread queues from now on wait for them; null where nothing has to be waited for.
  std::function<void()> wait;
};

/// A step that is queued again without the host going through it.
class StepGraph {
 public:
  virtual ~StepGraph() = default;
  /// Queues it: with the memory that it was captured with, and random numbers of the generators as they stand now.
  virtual void Replay() = 0;
};

class Accelerator {
 public:
  virtual ~Accelerator() = default;
  [[nodiscard]] virtual at::Device device() const = 0;
  /// "NVIDIA H100 80GB HBM3"; "cpu".
  [[nodiscard]] virtual std::string name() const = 0;
  /// Tells it from every other device in the world.
  [[nodiscard]] virtual std::string id() const = 0;
  /// Returns when all that was queued on the device is done.
  virtual void Synchronize() = 0;
  /// The most memory that tensors have taken on the device; 0 where nobody counts.
  [[nodiscard]] virtual std::int64_t peak_bytes() const = 0;
  /// Operations a second of its matrix units at most, without sparsity; 0 where that is not known.
  [[nodiscard]] virtual double peak_flops(Precision precision) const = 0;

  /// Host memory that the device reads without the host's help. Any thread.
  [[nodiscard]] virtual at::Tensor HostBuffer(at::IntArrayRef sizes, at::ScalarType type) const = 0;
  /// Starts to copy `host` (of HostBuffer) beside whatever the device computes. Any thread.
  [[nodiscard]] virtual Upload Start(std::vector<at::Tensor> host) const = 0;
  /// Runs `step` once to record what it queues: it is not computed then. Null where a device has no graphs.
  [[nodiscard]] virtual std::unique_ptr<StepGraph> Capture(const std::function<void()>& step) = 0;
};

/// The host's memory: nothing to copy, no graphs. One for all.
Accelerator& HostAccelerator();

}  // namespace muster::trainer
