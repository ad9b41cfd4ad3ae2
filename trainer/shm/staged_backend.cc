#include "trainer/shm/staged_backend.h"

#include <ATen/Context.h>
#include <ATen/ops/empty.h>
#include <c10/core/Event.h>
#include <c10/core/GradMode.h>
#include <c10/core/StreamGuard.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <torch/csrc/distributed/c10d/Backend.hpp>
#include <utility>

#include "trainer/shm/task_work.h"

namespace muster::trainer::shm {
namespace {

using c10::impl::VirtualGuardImpl;
using c10d::OpType;
using Tensors = std::vector<at::Tensor>;
using WorkPtr = c10::intrusive_ptr<c10d::Work>;

/// A tensor of the caller's, and what the collective does with it.
struct Part {
  at::Tensor tensor;
  bool read = true;
  bool written = true;
};

/// The parts in host memory, as the inner backend gets them.
struct Stage {
  std::vector<Part> parts;
  Tensors host;                   ///< by part
  std::vector<c10::Event> ready;  ///< of the device: the host tensors hold what is read
};

at::Tensor HostTensor(const at::Tensor& tensor) {
  const bool pinned = tensor.is_cuda() && at::globalContext().hasCUDA();
  return at::empty(tensor.sizes(), tensor.options()
                                       .device(at::kCPU)
                                       .memory_format(at::MemoryFormat::Contiguous)
                                       .pinned_memory(pinned));
}

/// Fills the host tensors behind what the caller's stream holds.
void CopyIn(Stage& stage, bool stage_host_tensors) {
  const c10::AutoGradMode no_graph(false);  // parameters are broadcast
  for (const Part& part : stage.parts) {
    if (part.tensor.is_cpu() && !stage_host_tensors) {
      stage.host.push_back(part.tensor);
      continue;
    }
    stage.host.push_back(HostTensor(part.tensor));
    if (part.read) stage.host.back().copy_(part.tensor, /*non_blocking=*/true);
    if (part.tensor.is_cpu()) continue;
    // What is only written has readers and writers on that stream as well.
    const VirtualGuardImpl device(part.tensor.device().type());
    stage.ready.emplace_back(part.tensor.device().type());
    stage.ready.back().record(device.getStream(part.tensor.device()));
  }
}

/// On a stream of its own, not behind what the caller has queued meanwhile. Ends when the copy has.
void CopyOut(const at::Tensor& host, const at::Tensor& tensor) {
  const c10::AutoGradMode no_graph(false);
  if (tensor.is_cpu()) {
    if (!tensor.is_same(host)) tensor.copy_(host);
    return;
  }
  const VirtualGuardImpl device(tensor.device().type());
  const c10::Stream stream = device.getStreamFromGlobalPool(tensor.device());
  const c10::StreamGuard guard(stream);
  tensor.copy_(host, /*non_blocking=*/true);
  device.synchronizeStream(stream);
}

class StagedBackend final : public c10d::Backend {
 public:
  StagedBackend(c10::intrusive_ptr<c10d::Backend> inner, const StagedOptions& options)
      : Backend(inner->getRank(), inner->getSize()),
        inner_(std::move(inner)),
        stage_host_tensors_(options.stage_host_tensors),
        thread_(std::make_shared<CommThread>()) {}
  ~StagedBackend() override { thread_->Stop(); }
  StagedBackend(const StagedBackend&) = delete;
  StagedBackend& operator=(const StagedBackend&) = delete;

  const std::string getBackendName() const override { return inner_->getBackendName() + "-staged"; }

  WorkPtr allreduce(Tensors& tensors, const c10d::AllreduceOptions& options) override {
    return Queue(OpType::ALLREDUCE, ReadAndWritten(tensors), tensors,
                 [this, options](Tensors& host) { return inner_->allreduce(host, options); });
  }

  WorkPtr allreduce_coalesced(Tensors& tensors,
                              const c10d::AllreduceCoalescedOptions& options) override {
    return Queue(
        OpType::ALLREDUCE_COALESCED, ReadAndWritten(tensors), tensors,
        [this, options](Tensors& host) { return inner_->allreduce_coalesced(host, options); });
  }

  WorkPtr broadcast(Tensors& tensors, const c10d::BroadcastOptions& options) override {
    std::vector<Part> parts;
    const bool root = options.rootRank == getRank();
    for (const at::Tensor& tensor : tensors) {
      parts.push_back({.tensor = tensor, .read = root, .written = !root});
    }
    return Queue(OpType::BROADCAST, std::move(parts), tensors,
                 [this, options](Tensors& host) { return inner_->broadcast(host, options); });
  }

  WorkPtr _allgather_base(at::Tensor& output, at::Tensor& input,
                          const c10d::AllgatherOptions& options) override {
    return Queue(OpType::_ALLGATHER_BASE, WrittenThenRead({output}, {input}), {output},
                 [this, options](Tensors& host) {
                   return inner_->_allgather_base(host[0], host[1], options);
                 });
  }

  WorkPtr allgather(std::vector<Tensors>& outputs, Tensors& inputs,
                    const c10d::AllgatherOptions& options) override {
    TORCH_CHECK(outputs.size() == 1, "wanted one list of tensors a rank, not ", outputs.size());
    return Queue(OpType::ALLGATHER, WrittenThenRead(outputs[0], inputs), outputs[0],
                 [this, options, ranks = outputs[0].size()](Tensors& host) {
                   const auto middle = host.begin() + static_cast<std::ptrdiff_t>(ranks);
                   std::vector<Tensors> outs{Tensors(host.begin(), middle)};
                   Tensors ins(middle, host.end());
                   return inner_->allgather(outs, ins, options);
                 });
  }

  WorkPtr _reduce_scatter_base(at::Tensor& output, at::Tensor& input,
                               const c10d::ReduceScatterOptions& options) override {
    return Queue(OpType::_REDUCE_SCATTER_BASE, WrittenThenRead({output}, {input}), {output},
                 [this, options](Tensors& host) {
                   return inner_->_reduce_scatter_base(host[0], host[1], options);
                 });
  }

  WorkPtr reduce_scatter(Tensors& outputs, std::vector<Tensors>& inputs,
                         const c10d::ReduceScatterOptions& options) override {
    TORCH_CHECK(inputs.size() == 1, "wanted one list of tensors a rank, not ", inputs.size());
    return Queue(OpType::REDUCE_SCATTER, WrittenThenRead(outputs, inputs[0]), outputs,
                 [this, options](Tensors& host) {
                   Tensors outs{host[0]};
                   std::vector<Tensors> ins{Tensors(host.begin() + 1, host.end())};
                   return inner_->reduce_scatter(outs, ins, options);
                 });
  }

  WorkPtr barrier(const c10d::BarrierOptions& options) override {
    // What is queued on the devices is not waited for, as in host memory.
    return Queue(OpType::BARRIER, {}, {},
                 [this, options](Tensors&) { return inner_->barrier(options); });
  }

 private:
  using Start = std::function<WorkPtr(Tensors& host)>;

  static std::vector<Part> ReadAndWritten(const Tensors& tensors) {
    std::vector<Part> parts;
    for (const at::Tensor& tensor : tensors) parts.push_back({.tensor = tensor});
    return parts;
  }
  static std::vector<Part> WrittenThenRead(const Tensors& written, const Tensors& read) {
    std::vector<Part> parts;
    for (const at::Tensor& tensor : written) parts.push_back({.tensor = tensor, .read = false});
    for (const at::Tensor& tensor : read) parts.push_back({.tensor = tensor, .written = false});
    return parts;
  }

  WorkPtr Queue(OpType type, std::vector<Part> parts, const Tensors& outputs, Start start) {
    auto stage = std::make_shared<Stage>(Stage{.parts = std::move(parts)});
    CopyIn(*stage, stage_host_tensors_);
    return QueueWork(
        thread_, getRank(), type, {}, outputs,
        [stage = std::move(stage), start = std::move(start)](bool) { return Run(*stage, start); });
  }

  static Status Run(Stage& stage, const Start& start) {
    try {
      for (const c10::Event& ready : stage.ready) ready.synchronize();
      start(stage.host)->wait();
      for (std::size_t i = 0; i < stage.parts.size(); ++i) {
        if (stage.parts[i].written) CopyOut(stage.host[i], stage.parts[i].tensor);
      }
      return Ok();
    } catch (const c10::Error& error) {
      return Unavailable(error.what_without_backtrace());
    } catch (const std::exception& error) {
      return Unavailable(error.what());
    }
  }

  c10::intrusive_ptr<c10d::Backend> inner_;
  bool stage_host_tensors_;
  std::shared_ptr<CommThread> thread_;
};

}  // namespace

c10::intrusive_ptr<c10d::Backend> MakeStagedBackend(c10::intrusive_ptr<c10d::Backend> inner,
                                                    StagedOptions options) {
  return c10::make_intrusive<StagedBackend>(std::move(inner), options);
}

}  // namespace muster::trainer::shm
