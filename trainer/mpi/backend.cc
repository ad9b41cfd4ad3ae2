#include "trainer/mpi/backend.h"

#include <limits>
#include <stdexcept>
#include <torch/csrc/distributed/c10d/Backend.hpp>
#include <utility>

#include "trainer/mpi/comm_thread.h"
#include "trainer/rank_progress.h"

namespace muster::trainer::mpi {
namespace {

using c10::ivalue::Future;
using Tensors = std::vector<at::Tensor>;

MPI_Datatype TypeOf(at::ScalarType type) {
  switch (type) {
    case at::kFloat:
      return MPI_FLOAT;
    case at::kDouble:
      return MPI_DOUBLE;
    case at::kInt:
      return MPI_INT32_T;
    case at::kLong:
      return MPI_INT64_T;
    case at::kByte:
      return MPI_UINT8_T;
    default:
      TORCH_CHECK(false, "collectives over MPI take float, double, int, long and byte, not ",
                  c10::toString(type));
  }
}

MPI_Op OperationOf(const c10d::ReduceOp& op) {
  switch (op.op_) {
    case c10d::ReduceOp::SUM:
      return MPI_SUM;
    case c10d::ReduceOp::MIN:
      return MPI_MIN;
    case c10d::ReduceOp::MAX:
      return MPI_MAX;
    case c10d::ReduceOp::PRODUCT:
      return MPI_PROD;
    default:
      TORCH_CHECK(false, "reductions over MPI are sum, min, max and product");
  }
}

int CountOf(const at::Tensor& tensor) {
  TORCH_CHECK(tensor.is_cpu() && tensor.is_contiguous(),
              "collectives over MPI take contiguous tensors in host memory");
  TORCH_CHECK(tensor.numel() <= std::numeric_limits<int>::max(),
              "a collective over MPI takes 2^31 - 1 elements at most, not ", tensor.numel());
  return static_cast<int>(tensor.numel());
}

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

class MpiBackend final : public c10d::Backend {
 public:
  MpiBackend(std::unique_ptr<CommThread> thread, int rank, int size, RankProgress* progress)
      : Backend(rank, size), progress_(progress), thread_(std::move(thread)) {}

  const std::string getBackendName() const override { return "muster-mpi"; }

  c10::intrusive_ptr<c10d::Work> allreduce(Tensors& tensors,
                                           const c10d::AllreduceOptions& options) override {
    const at::Tensor tensor = Single(tensors);
    const MPI_Op op = OperationOf(options.reduceOp);
    return Queue(c10d::OpType::ALLREDUCE, "allreduce", tensor, tensors,
                 [tensor, op, count = CountOf(tensor),
                  type = TypeOf(tensor.scalar_type())](MPI_Request* request) {
                   return MPI_Iallreduce(MPI_IN_PLACE, tensor.data_ptr(), count, type, op,
                                         MPI_COMM_WORLD, request);
                 });
  }

  c10::intrusive_ptr<c10d::Work> broadcast(Tensors& tensors,
                                           const c10d::BroadcastOptions& options) override {
    const at::Tensor tensor = Single(tensors);
    return Queue(c10d::OpType::BROADCAST, "broadcast", tensor, tensors,
                 [tensor, root = static_cast<int>(options.rootRank), count = CountOf(tensor),
                  type = TypeOf(tensor.scalar_type())](MPI_Request* request) {
                   return MPI_Ibcast(tensor.data_ptr(), count, type, root, MPI_COMM_WORLD, request);
                 });
  }

  c10::intrusive_ptr<c10d::Work> _allgather_base(at::Tensor& output, at::Tensor& input,
                                                 const c10d::AllgatherOptions&) override {
    TORCH_CHECK(output.numel() == input.numel() * getSize(), "allgather: the output has ",
                output.numel(), " elements, wanted ", input.numel() * getSize());
    CountOf(output);
    return Queue(c10d::OpType::_ALLGATHER_BASE, "allgather", input, {output},
                 [output, input, count = CountOf(input),
                  type = TypeOf(input.scalar_type())](MPI_Request* request) {
                   return MPI_Iallgather(input.data_ptr(), count, type, output.data_ptr(), count,
                                         type, MPI_COMM_WORLD, request);
                 });
  }

  c10::intrusive_ptr<c10d::Work> barrier(const c10d::BarrierOptions&) override {
    return Queue(c10d::OpType::BARRIER, "barrier", at::Tensor(), {},
                 [](MPI_Request* request) { return MPI_Ibarrier(MPI_COMM_WORLD, request); });
  }

 private:
  static at::Tensor Single(const Tensors& tensors) {
    TORCH_CHECK(tensors.size() == 1, "collectives over MPI take one tensor, not ", tensors.size());
    return tensors[0];
  }

  c10::intrusive_ptr<c10d::Work> Queue(c10d::OpType type, const char* name,
                                       const at::Tensor& tensor, Tensors outputs,
                                       std::function<int(MPI_Request*)> start) {
    auto work = c10::make_intrusive<MpiWork>(getRank(), type, std::move(outputs));
    std::string what = std::string(name) + " on rank " + std::to_string(getRank());
    if (tensor.defined()) what += " of " + std::to_string(tensor.nbytes()) + " bytes";
    if (progress_ != nullptr) progress_->Queue(name);
    thread_->Queue(
        {std::move(what), std::move(start), [work, progress = progress_](const Status& status) {
           if (progress != nullptr && status.ok()) progress->Finish();
           work->Complete(status);
         }});
    return work;
  }

  RankProgress* progress_;
  std::unique_ptr<CommThread> thread_;
};

}  // namespace

Result<c10::intrusive_ptr<c10d::Backend>> JoinWorld(BackendOptions options) {
  static std::atomic<bool> joined = false;
  if (joined.exchange(true)) return AlreadyExists("this process has joined MPI's world before");
  auto thread = std::make_unique<CommThread>(options.timeout);
  const auto world = thread->Start();
  if (!world.ok()) return world.error();
  return c10::intrusive_ptr<c10d::Backend>(c10::make_intrusive<MpiBackend>(
      std::move(thread), world->first, world->second, options.progress));
}

}  // namespace muster::trainer::mpi
