#include "trainer/shm/backend.h"
#include "trainer/rank_progress.h"

#include <torch/csrc/distributed/c10d/Backend.hpp>
#include <utility>

#include "trainer/shm/collectives.h"
#include "trainer/shm/task_work.h"

namespace muster::trainer::shm {
namespace {

using c10d::OpType;
using Tensors = std::vector<at::Tensor>;
using WorkPtr = c10::intrusive_ptr<c10d::Work>;

Element ElementOf(const at::Tensor& tensor) {
  switch (tensor.scalar_type()) {
    case at::kFloat:
      return Element::kFloat;
    case at::kDouble:
      return Element::kDouble;
    case at::kHalf:
      return Element::kHalf;
    case at::kBFloat16:
      return Element::kBFloat16;
    case at::kChar:
      return Element::kInt8;
    case at::kByte:
      return Element::kUInt8;
    case at::kShort:
      return Element::kInt16;
    case at::kInt:
      return Element::kInt32;
    case at::kLong:
      return Element::kInt64;
    default:
      TORCH_CHECK(false, "reductions between the ranks of a machine take floats and integers, not ",
                  c10::toString(tensor.scalar_type()));
  }
}

Operation OperationOf(const c10d::ReduceOp& op, const at::Tensor& tensor) {
  switch (op.op_) {
    case c10d::ReduceOp::SUM:
      return Operation::kSum;
    case c10d::ReduceOp::AVG:
      TORCH_CHECK(tensor.is_floating_point(),
                  "the average of the ranks' values is one of floats, not ",
                  c10::toString(tensor.scalar_type()));
      return Operation::kAverage;
    case c10d::ReduceOp::MIN:
      return Operation::kMin;
    case c10d::ReduceOp::MAX:
      return Operation::kMax;
    case c10d::ReduceOp::PRODUCT:
      return Operation::kProduct;
    default:
      TORCH_CHECK(
          false,
          "reductions between the ranks of a machine are sum, average, min, max and product");
  }
}

void Check(const at::Tensor& tensor) {
  TORCH_CHECK(tensor.is_cpu() && tensor.is_contiguous(),
              "collectives between the ranks of a machine take contiguous tensors in host memory");
}

const at::Tensor& Single(const Tensors& tensors) {
  TORCH_CHECK(tensors.size() == 1, "wanted one tensor a rank, not ", tensors.size());
  Check(tensors[0]);
  return tensors[0];
}

std::byte* BytesOf(const at::Tensor& tensor) { return static_cast<std::byte*>(tensor.data_ptr()); }

/// The parts of `whole`, one a rank, each as large as `part`.
std::vector<std::byte*> PartsOf(const at::Tensor& whole, const at::Tensor& part, int ranks) {
  Check(whole);
  Check(part);
  TORCH_CHECK(whole.numel() == part.numel() * ranks && whole.scalar_type() == part.scalar_type(),
              "the tensor of all ranks has ", whole.numel(), " ",
              c10::toString(whole.scalar_type()), " elements, wanted ", part.numel() * ranks, " ",
              c10::toString(part.scalar_type()));
  std::vector<std::byte*> parts;
  for (int rank = 0; rank < ranks; ++rank) parts.push_back(BytesOf(whole) + rank * part.nbytes());
  return parts;
}

std::vector<std::byte*> PartsOf(const Tensors& tensors, const at::Tensor& part, int ranks) {
  TORCH_CHECK(static_cast<int>(tensors.size()) == ranks, "wanted a tensor for each of ", ranks,
              " ranks, not ", tensors.size());
  std::vector<std::byte*> parts;
  for (const at::Tensor& tensor : tensors) parts.push_back(PartsOf(tensor, part, 1)[0]);
  return parts;
}

/// As the watch over peers has them.
const char* NameOf(OpType type) {
  switch (type) {
    case OpType::BROADCAST:
      return "broadcast";
    case OpType::_ALLGATHER_BASE:
    case OpType::ALLGATHER:
      return "allgather";
    case OpType::_REDUCE_SCATTER_BASE:
    case OpType::REDUCE_SCATTER:
      return "reduce_scatter";
    case OpType::BARRIER:
      return "barrier";
    default:
      return "allreduce";
  }
}

class ShmBackend final : public c10d::Backend {
 public:
  ShmBackend(Meeting meeting, const BackendOptions& options)
      : Backend(static_cast<int>(meeting.rank), static_cast<int>(meeting.segment.layout().ranks)),
        channel_(std::make_unique<Channel>(std::move(meeting), options.timeout)),
        thread_(std::make_shared<CommThread>()),
        progress_(options.progress) {}
  ~ShmBackend() override {
    thread_->Stop();
  }  // works that live on hold the thread, not the channel
  ShmBackend(const ShmBackend&) = delete;
  ShmBackend& operator=(const ShmBackend&) = delete;

  const std::string getBackendName() const override { return "muster-shm"; }

  WorkPtr allreduce(Tensors& tensors, const c10d::AllreduceOptions& options) override {
    Single(tensors);
    return Reduce(OpType::ALLREDUCE, tensors, options.reduceOp);
  }

  WorkPtr allreduce_coalesced(Tensors& tensors,
                              const c10d::AllreduceCoalescedOptions& options) override {
    for (const at::Tensor& tensor : tensors) Check(tensor);
    return Reduce(OpType::ALLREDUCE_COALESCED, tensors, options.reduceOp);
  }

  WorkPtr broadcast(Tensors& tensors, const c10d::BroadcastOptions& options) override {
    const at::Tensor& tensor = Single(tensors);
    TORCH_CHECK(options.rootRank >= 0 && options.rootRank < getSize(), "rank ", options.rootRank,
                " cannot broadcast to ", getSize(), " ranks");
    return Queue(OpType::BROADCAST, {}, tensors,
                 [this, data = tensor.data_ptr(), bytes = tensor.nbytes(),
                  root = static_cast<std::uint32_t>(options.rootRank)](bool spin) {
                   return Broadcast(*channel_, data, bytes, root, spin);
                 });
  }

  WorkPtr _allgather_base(at::Tensor& output, at::Tensor& input,
                          const c10d::AllgatherOptions&) override {
    return Gather(OpType::_ALLGATHER_BASE, input, {output}, PartsOf(output, input, getSize()));
  }

  WorkPtr allgather(std::vector<Tensors>& outputs, Tensors& inputs,
                    const c10d::AllgatherOptions&) override {
    TORCH_CHECK(outputs.size() == 1, "wanted one list of tensors a rank, not ", outputs.size());
    return Gather(OpType::ALLGATHER, Single(inputs), outputs[0],
                  PartsOf(outputs[0], Single(inputs), getSize()));
  }

  WorkPtr _reduce_scatter_base(at::Tensor& output, at::Tensor& input,
                               const c10d::ReduceScatterOptions& options) override {
    return Scatter(OpType::_REDUCE_SCATTER_BASE, {input}, output, PartsOf(input, output, getSize()),
                   options.reduceOp);
  }

  WorkPtr reduce_scatter(Tensors& outputs, std::vector<Tensors>& inputs,
                         const c10d::ReduceScatterOptions& options) override {
    TORCH_CHECK(inputs.size() == 1, "wanted one list of tensors a rank, not ", inputs.size());
    return Scatter(OpType::REDUCE_SCATTER, inputs[0], Single(outputs),
                   PartsOf(inputs[0], Single(outputs), getSize()), options.reduceOp);
  }

  WorkPtr barrier(const c10d::BarrierOptions&) override {
    return Queue(OpType::BARRIER, {}, {}, [this](bool spin) { return Barrier(*channel_, spin); });
  }

 private:
  struct Reduced {
    void* data;
    std::uint64_t count;
    Element element;
    Operation operation;
  };

  WorkPtr Reduce(OpType type, const Tensors& tensors, const c10d::ReduceOp& op) {
    std::vector<Reduced> all;
    for (const at::Tensor& tensor : tensors) {
      all.push_back({tensor.data_ptr(), static_cast<std::uint64_t>(tensor.numel()),
                     ElementOf(tensor), OperationOf(op, tensor)});
    }
    return Queue(type, {}, tensors, [this, all = std::move(all)](bool spin) -> Status {
      for (const Reduced& one : all) {
        MUSTER_RETURN_IF_ERROR(
            AllReduce(*channel_, one.data, one.count, one.element, one.operation, spin));
      }
      return Ok();
    });
  }

  WorkPtr Gather(OpType type, const at::Tensor& input, const Tensors& outputs,
                 std::vector<std::byte*> outs) {
    return Queue(type, {input}, outputs,
                 [this, in = input.data_ptr(), bytes = input.nbytes(), outs = std::move(outs)](
                     bool spin) { return AllGather(*channel_, in, bytes, outs, spin); });
  }

  WorkPtr Scatter(OpType type, const Tensors& inputs, const at::Tensor& output,
                  const std::vector<std::byte*>& parts, const c10d::ReduceOp& op) {
    const Reduced reduced{output.data_ptr(), static_cast<std::uint64_t>(output.numel()),
                          ElementOf(output), OperationOf(op, output)};
    return Queue(type, inputs, {output},
                 [this, reduced,
                  ins = std::vector<const std::byte*>(parts.begin(), parts.end())](bool spin) {
                   return ReduceScatter(*channel_, ins, reduced.data, reduced.count,
                                        reduced.element, reduced.operation, spin);
                 });
  }

  WorkPtr Queue(OpType type, Tensors inputs, Tensors outputs, std::function<Status(bool)> run) {
    if (progress_ != nullptr) {
      progress_->Queue(NameOf(type));
      run = [run = std::move(run), progress = progress_](bool spin) {
        Status status = run(spin);
        if (status.ok()) progress->Finish();
        return status;
      };
    }
    return QueueWork(thread_, getRank(), type, std::move(inputs), std::move(outputs),
                     std::move(run));
  }

  std::unique_ptr<Channel> channel_;
  std::shared_ptr<CommThread> thread_;
  RankProgress* progress_;
};

}  // namespace

c10::intrusive_ptr<c10d::Backend> MakeBackend(Meeting meeting, BackendOptions options) {
  return c10::make_intrusive<ShmBackend>(std::move(meeting), options);
}

}  // namespace muster::trainer::shm
