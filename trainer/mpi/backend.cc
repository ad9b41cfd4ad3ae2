#include "trainer/mpi/backend.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <c10/util/ParallelGuard.h>

#include <atomic>
#include <stdexcept>
#include <torch/csrc/distributed/c10d/Backend.hpp>
#include <utility>

#include "trainer/mpi/collectives.h"
#include "trainer/mpi/comm_thread.h"
#include "trainer/rank_progress.h"

namespace muster::trainer::mpi {
namespace {

using c10::ivalue::Future;
using Tensors = std::vector<at::Tensor>;
using WorkPointer = c10::intrusive_ptr<c10d::Work>;

class MpiWork final : public c10d::Work {
 public:
  MpiWork(int rank, c10d::OpType type, Tensors outputs)
      : Work(rank, type),
        outputs_(std::move(outputs)),
        future_(c10::make_intrusive<Future>(c10::ListType::create(c10::TensorType::get()))) {}

  void Complete(const Status& status) {
    if (status.ok()) {
      finish();
      future_->markCompleted(c10::IValue(outputs_));
      return;
    }
    const auto why = std::make_exception_ptr(std::runtime_error(status.error().message));
    finish(why);
    future_->setError(why);
  }
  c10::intrusive_ptr<Future> getFuture() override { return future_; }
  Tensors result() override { return outputs_; }

 private:
  Tensors outputs_;
  c10::intrusive_ptr<Future> future_;
};

at::Tensor Single(const Tensors& tensors) {
  TORCH_CHECK(tensors.size() == 1, "collectives over MPI take one tensor, not ", tensors.size());
  return tensors[0];
}

/// The parts of a list that takes the place of one tensor: one a rank, all like the first.
const Tensors& SingleList(const std::vector<Tensors>& lists, int size) {
  TORCH_CHECK(lists.size() == 1 && lists[0].size() == static_cast<std::size_t>(size),
              "collectives over MPI take one list of one tensor a rank, ", size);
  for (const at::Tensor& tensor : lists[0]) {
    TORCH_CHECK(tensor.numel() == lists[0][0].numel(),
                "collectives over MPI take parts of one size, not ", lists[0][0].numel(), " and ",
                tensor.numel());
  }
  return lists[0];
}

class MpiBackend final : public c10d::Backend {
 public:
  MpiBackend(std::unique_ptr<CommThread> thread, const World& world, RankProgress* progress)
      : Backend(world.rank, world.size),
        world_(world),
        progress_(progress),
        thread_(std::move(thread)) {}

  const std::string getBackendName() const override { return "muster-mpi"; }

  WorkPointer allreduce(Tensors& tensors, const c10d::AllreduceOptions& options) override {
    (void)Single(tensors);
    return Queue(c10d::OpType::ALLREDUCE, "allreduce", tensors,
                 AllReduce(world_, "allreduce", tensors, options.reduceOp));
  }

  WorkPointer allreduce_coalesced(Tensors& tensors,
                                  const c10d::AllreduceCoalescedOptions& options) override {
    return Queue(c10d::OpType::ALLREDUCE_COALESCED, "allreduce", tensors,
                 AllReduce(world_, "allreduce", tensors, options.reduceOp));
  }

  WorkPointer broadcast(Tensors& tensors, const c10d::BroadcastOptions& options) override {
    return Queue(
        c10d::OpType::BROADCAST, "broadcast", tensors,
        Broadcast(world_, "broadcast", Single(tensors), static_cast<int>(options.rootRank)));
  }

  WorkPointer _allgather_base(at::Tensor& output, at::Tensor& input,
                              const c10d::AllgatherOptions&) override {
    return Queue(c10d::OpType::_ALLGATHER_BASE, "allgather", {output},
                 AllGather(world_, "allgather", output, input));
  }

  WorkPointer allgather(std::vector<Tensors>& outputs, Tensors& inputs,
                        const c10d::AllgatherOptions&) override {
    const Tensors& parts = SingleList(outputs, world_.size);
    const at::Tensor input = Single(inputs);
    const at::Tensor whole = at::empty({world_.size * input.numel()}, input.options());
    Operation operation = AllGather(world_, "allgather", whole, input);
    TORCH_CHECK(parts[0].numel() == input.numel(), "allgather: an output has ", parts[0].numel(),
                " elements, wanted ", input.numel());
    operation.after = [parts, whole] {
      const c10::ParallelGuard guard(true);  // the thread that speaks MPI starts no others
      const auto rows = whole.view({static_cast<std::int64_t>(parts.size()), -1});
      for (std::size_t i = 0; i < parts.size(); ++i) {
        parts[i].copy_(rows[static_cast<std::int64_t>(i)].view(parts[i].sizes()));
      }
    };
    return Queue(c10d::OpType::ALLGATHER, "allgather", parts, std::move(operation));
  }

  WorkPointer _reduce_scatter_base(at::Tensor& output, at::Tensor& input,
                                   const c10d::ReduceScatterOptions& options) override {
    return Queue(c10d::OpType::_REDUCE_SCATTER_BASE, "reduce_scatter", {output},
                 ReduceScatter(world_, "reduce_scatter", output, input, options.reduceOp));
  }

  WorkPointer reduce_scatter(Tensors& outputs, std::vector<Tensors>& inputs,
                             const c10d::ReduceScatterOptions& options) override {
    Tensors flat;
    for (const at::Tensor& part : SingleList(inputs, world_.size))
      flat.push_back(part.reshape({-1}));
    return Queue(
        c10d::OpType::REDUCE_SCATTER, "reduce_scatter", outputs,
        ReduceScatter(world_, "reduce_scatter", Single(outputs), at::cat(flat), options.reduceOp));
  }

  WorkPointer barrier(const c10d::BarrierOptions&) override {
    return Queue(c10d::OpType::BARRIER, "barrier", {}, Barrier("barrier"));
  }

 private:
  WorkPointer Queue(c10d::OpType type, const char* name, Tensors outputs, Operation operation) {
    auto work = c10::make_intrusive<MpiWork>(getRank(), type, std::move(outputs));
    operation.done = [work, progress = progress_](const Status& status) {
      if (progress != nullptr && status.ok()) progress->Finish();
      work->Complete(status);
    };
    if (progress_ != nullptr) progress_->Queue(name);
    thread_->Queue(std::move(operation));
    return work;
  }

  World world_;
  RankProgress* progress_;
  std::unique_ptr<CommThread> thread_;
};

}  // namespace

Result<c10::intrusive_ptr<c10d::Backend>> JoinWorld(BackendOptions options) {
  static std::atomic<bool> joined = false;
  if (joined.exchange(true)) return AlreadyExists("this process has joined MPI's world before");
  auto thread = std::make_unique<CommThread>(options.timeout, options.checked);
  const auto world = thread->Start();
  if (!world.ok()) return world.error();
  return c10::intrusive_ptr<c10d::Backend>(c10::make_intrusive<MpiBackend>(
      std::move(thread),
      World{.rank = world->first, .size = world->second, .most = options.part_most},
      options.progress));
}

}  // namespace muster::trainer::mpi
