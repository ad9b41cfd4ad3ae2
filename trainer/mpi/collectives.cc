#include "trainer/mpi/collectives.h"

#include <ATen/ops/empty.h>
#include <c10/util/ParallelGuard.h>

#include <algorithm>
#include <cstring>
#include <memory>

namespace muster::trainer::mpi {
namespace {

using c10d::ReduceOp;
using Parts = std::vector<std::function<int(MPI_Request*)>>;

MPI_Datatype TypeOf(at::ScalarType type) {
  switch (type) {
    case at::kFloat:
    case at::kHalf:
    case at::kBFloat16:
      return MPI_FLOAT;
    case at::kDouble:
      return MPI_DOUBLE;
    case at::kChar:
      return MPI_INT8_T;
    case at::kByte:
      return MPI_UINT8_T;
    case at::kShort:
      return MPI_INT16_T;
    case at::kInt:
      return MPI_INT32_T;
    case at::kLong:
      return MPI_INT64_T;
    default:
      TORCH_CHECK(false, "reductions over MPI take floating and whole numbers, not ",
                  c10::toString(type));
  }
}

MPI_Op OperationOf(const ReduceOp& reduce, at::ScalarType type) {
  switch (reduce.op_) {
    case ReduceOp::AVG:
      TORCH_CHECK(at::isFloatingType(type), "a mean over MPI takes floating numbers, not ",
                  c10::toString(type));
      return MPI_SUM;
    case ReduceOp::SUM:
      return MPI_SUM;
    case ReduceOp::MIN:
      return MPI_MIN;
    case ReduceOp::MAX:
      return MPI_MAX;
    case ReduceOp::PRODUCT:
      return MPI_PROD;
    default:
      TORCH_CHECK(false, "reductions over MPI are sum, mean, min, max and product");
  }
}

void CheckTensor(const char* name, const at::Tensor& tensor) {
  TORCH_CHECK(tensor.is_cpu() && tensor.is_contiguous(), name,
              " over MPI takes contiguous tensors in host memory");
}

/// `whole` must be one part a rank of the size of `part`.
void CheckParts(const char* name, const World& world, const at::Tensor& whole,
                const at::Tensor& part) {
  CheckTensor(name, whole);
  CheckTensor(name, part);
  TORCH_CHECK(whole.numel() == part.numel() * world.size, name, " of ", world.size,
              " ranks: the whole has ", whole.numel(), " elements, wanted ",
              part.numel() * world.size);
  TORCH_CHECK(whole.scalar_type() == part.scalar_type(), name, ": the whole is of ",
              c10::toString(whole.scalar_type()), ", the part of ",
              c10::toString(part.scalar_type()));
}

std::string Description(const char* name, const at::Tensor& tensor) {
  return std::string(name) + " of " + std::to_string(tensor.numel()) + " " +
         c10::toString(tensor.scalar_type());
}

/// Tensors in a type that MPI reduces.
at::Tensor Widened(const at::Tensor& tensor) {
  return tensor.is_floating_point() && tensor.element_size() == 2 ? tensor.to(at::kFloat) : tensor;
}

void* At(const at::Tensor& tensor, std::int64_t element) {
  return static_cast<char*>(tensor.data_ptr()) + element * tensor.element_size();
}

/// Calls part(first, count) for runs of at most `most`.
template <typename Function>
void InParts(std::int64_t total, std::int64_t most, Function part) {
  for (std::int64_t first = 0; first < total; first += most) {
    part(first, static_cast<int>(std::min(most, total - first)));
  }
}

/// Nothing here may start threads of LibTorch's for a thread that computes little.
template <typename Function>
std::function<void()> OneThread(Function function) {
  return [function = std::move(function)] {
    const c10::ParallelGuard guard(true);
    function();
  };
}

bool Overlap(const at::Tensor& one, const at::Tensor& other) {
  return one.storage().is_alias_of(other.storage());
}

}  // namespace

Operation AllReduce(const World& world, const char* name, const std::vector<at::Tensor>& tensors,
                    const ReduceOp& reduce) {
  Operation operation{.what = name};
  // Copies in float32 where MPI has no such type, else the tensors themselves.
  const auto sums = std::make_shared<std::vector<at::Tensor>>(tensors.size());
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const at::Tensor& tensor = tensors[i];
    CheckTensor(name, tensor);
    operation.what = i == 0 ? Description(name, tensor)
                            : operation.what + " and of " + std::to_string(tensor.numel());
    const MPI_Datatype type = TypeOf(tensor.scalar_type());
    const MPI_Op op = OperationOf(reduce, tensor.scalar_type());
    InParts(tensor.numel(), world.most, [&](std::int64_t first, int count) {
      operation.parts.push_back([=](MPI_Request* request) {
        return MPI_Iallreduce(MPI_IN_PLACE, At((*sums)[i], first), count, type, op, MPI_COMM_WORLD,
                              request);
      });
    });
  }
  operation.before = OneThread([=] { std::ranges::transform(tensors, sums->begin(), &Widened); });
  operation.after = OneThread([=, mean = reduce.op_ == ReduceOp::AVG, size = world.size] {
    for (std::size_t i = 0; i < tensors.size(); ++i) {
      if (mean) (*sums)[i].div_(size);
      if (!tensors[i].is_same((*sums)[i])) tensors[i].copy_((*sums)[i]);
    }
    sums->clear();
  });
  return operation;
}

Operation Broadcast(const World& world, const char* name, const at::Tensor& tensor, int root) {
  CheckTensor(name, tensor);
  Operation operation{.what = Description(name, tensor) + " from rank " + std::to_string(root)};
  auto* const bytes = static_cast<char*>(tensor.data_ptr());
  InParts(static_cast<std::int64_t>(tensor.nbytes()), world.most,
          [&](std::int64_t first, int count) {
            operation.parts.push_back([=, keep = tensor](MPI_Request* request) {
              return MPI_Ibcast(bytes + first, count, MPI_BYTE, root, MPI_COMM_WORLD, request);
            });
          });
  return operation;
}

Operation AllGather(const World& world, const char* name, const at::Tensor& output,
                    const at::Tensor& input) {
  CheckParts(name, world, output, input);
  Operation operation{.what = Description(name, input)};
  auto* const to = static_cast<char*>(output.data_ptr());
  const auto size = static_cast<std::int64_t>(input.nbytes());
  // First to its place in the output, whatever it overlaps with.
  operation.before = OneThread([=, own = to + world.rank * size] {
    if (size > 0 && input.data_ptr() != own) std::memmove(own, input.data_ptr(), size);
  });
  if (size <= world.most) {
    operation.parts.push_back([=, keep = output](MPI_Request* request) {
      return MPI_Iallgather(MPI_IN_PLACE, 0, MPI_BYTE, to, static_cast<int>(size), MPI_BYTE,
                            MPI_COMM_WORLD, request);
    });
    return operation;
  }
  for (int root = 0; root < world.size; ++root) {
    InParts(size, world.most, [&](std::int64_t first, int count) {
      operation.parts.push_back([=, keep = output](MPI_Request* request) {
        return MPI_Ibcast(to + root * size + first, count, MPI_BYTE, root, MPI_COMM_WORLD, request);
      });
    });
  }
  return operation;
}

Operation ReduceScatter(const World& world, const char* name, const at::Tensor& output,
                        const at::Tensor& input, const ReduceOp& reduce) {
  CheckParts(name, world, input, output);
  Operation operation{.what = Description(name, input)};
  const MPI_Datatype type = TypeOf(input.scalar_type());
  const MPI_Op op = OperationOf(reduce, input.scalar_type());
  struct Buffers {
    at::Tensor from, to;
  };
  const auto buffers = std::make_shared<Buffers>();
  operation.before = OneThread([=] {
    buffers->from = Widened(input);
    buffers->to = at::empty(output.sizes(), output.options().dtype(buffers->from.scalar_type()));
    if (!Overlap(output, input) && buffers->to.scalar_type() == output.scalar_type()) {
      buffers->to = output;
    }
  });
  const std::int64_t each = output.numel();
  if (each <= world.most) {
    operation.parts.push_back([=](MPI_Request* request) {
      return MPI_Ireduce_scatter_block(buffers->from.data_ptr(), buffers->to.data_ptr(),
                                       static_cast<int>(each), type, op, MPI_COMM_WORLD, request);
    });
  } else {
    for (int root = 0; root < world.size; ++root) {
      InParts(each, world.most, [&](std::int64_t first, int count) {
        operation.parts.push_back([=](MPI_Request* request) {
          return MPI_Ireduce(At(buffers->from, root * each + first), At(buffers->to, first), count,
                             type, op, root, MPI_COMM_WORLD, request);
        });
      });
    }
  }
  operation.after = OneThread([=, mean = reduce.op_ == ReduceOp::AVG, size = world.size] {
    if (mean) buffers->to.div_(size);
    if (!output.is_same(buffers->to)) output.copy_(buffers->to);
    *buffers = {};
  });
  return operation;
}

Operation Barrier(const char* name) {
  Operation operation{.what = name};
  operation.parts.push_back(
      [](MPI_Request* request) { return MPI_Ibarrier(MPI_COMM_WORLD, request); });
  return operation;
}

}  // namespace muster::trainer::mpi
