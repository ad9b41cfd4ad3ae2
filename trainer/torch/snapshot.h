#pragma once

#include <ATen/core/Tensor.h>

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "trainer/checkpoint.h"
#include "trainer/torch/model_state.h"

/// Tensors as they were at one moment, in host memory, so that training goes on while they are written.

namespace muster::trainer {

/// A tensor that no rank has whole (optimizer state under ZeRO): rank 0 gathers it piece by piece (shard.h) into the
/// snapshot's own memory, so that no rank ever needs room for it on its device.
struct GatheredTensor {
  std::string name;
  at::ScalarType type = at::ScalarType::Float;
  std::vector<std::int64_t> shape;
  /// Fills `whole`, a contiguous host tensor of this type and shape; done when it returns, or queued on the current
  /// stream of a device that holds other tensors of the snapshot.
  std::function<void(const at::Tensor& whole)> fill;
};

/// Its memory stays for the next one: a first copy into fresh memory takes several times as long, for its page
/// faults. One thread at a time.
class Snapshot {
 public:
  Snapshot();
  ~Snapshot();
  Snapshot(const Snapshot&) = delete;
  Snapshot& operator=(const Snapshot&) = delete;

  /// Makes room for such tensors and has the system back it with memory.
  void Reserve(const NamedTensors& tensors, const std::vector<GatheredTensor>& gathered = {});
  /// Host tensors: copied on the intra-op threads when it returns. Tensors of a device: the copies are queued on its
  /// current stream, into pinned memory; what is queued there later may change the tensors. kUnsupported for an
  /// element type that checkpoints do not hold; the snapshot is empty then. Throws c10::Error.
  Status Take(const NamedTensors& tensors, const std::vector<GatheredTensor>& gathered = {});
  /// Until all is there, for devices; from any thread. Throws c10::Error.
  void Wait();
  /// Row-major. Until the next Take or Reserve.
  [[nodiscard]] const std::vector<TensorView>& tensors() const { return views_; }

 private:
  struct Events;
  void Grow(std::size_t bytes, bool pinned);

  at::Tensor memory_;  ///< bytes
  bool pinned_ = false;
  std::vector<TensorView> views_;
  std::unique_ptr<Events> events_;
};

}  // namespace muster::trainer
