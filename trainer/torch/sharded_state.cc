#include "trainer/torch/sharded_state.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>

#include <algorithm>

namespace muster::trainer {
namespace {

constexpr std::int64_t kPiece = std::int64_t{4} << 20;  ///< elements

/// `range`, which begins at element `first` of the flat `tensor`.
at::Tensor Cut(const at::Tensor& tensor, const ElementRange& range, std::int64_t first) {
  return tensor.detach().view({-1}).narrow(0, range.begin - first, range.size());
}

/// `whole` is undefined on other ranks than the first.
void GatherOne(const ShardedTensor& tensor, const Gang& gang, const at::Tensor& whole) {
  const std::int64_t me = gang.rank().rank;
  for (std::size_t rank = 0; rank < tensor.ranges.size(); ++rank) {
    const bool mine = static_cast<std::int64_t>(rank) == me;
    const ElementRange& range = tensor.ranges[rank];
    for (const ElementRange& piece : Pieces(range, kPiece)) {
      const at::Tensor values = mine ? Cut(tensor.part, piece, range.begin)
                                     : at::empty({piece.size()}, tensor.part.options());
      // From one to all is what every backend has.
      if (rank != 0)
        gang.Broadcast(std::vector<at::Tensor>{values}, static_cast<std::int64_t>(rank));
      if (gang.first()) Cut(whole, piece, 0).copy_(values);
    }
  }
}

/// `whole` is undefined on other ranks than the first.
void ScatterOne(const ShardedTensor& tensor, const Gang& gang, const at::Tensor& whole) {
  for (std::size_t rank = 0; rank < tensor.ranges.size(); ++rank) {
    const bool mine = static_cast<std::int64_t>(rank) == gang.rank().rank;
    const ElementRange& range = tensor.ranges[rank];
    for (const ElementRange& piece : Pieces(range, kPiece)) {
      const at::Tensor values =
          gang.first() ? Cut(whole, piece, 0)
                       : at::empty({piece.size()}, at::TensorOptions(tensor.part.scalar_type()));
      if (rank != 0) gang.Broadcast(std::vector<at::Tensor>{values});
      if (mine) Cut(tensor.part, piece, range.begin).copy_(values);
    }
  }
}

}  // namespace

std::vector<GatheredTensor> Gathered(const std::vector<ShardedTensor>& tensors, const Gang& gang) {
  std::vector<GatheredTensor> gathered;
  for (const ShardedTensor& tensor : tensors) {
    gathered.push_back(
        {.name = tensor.name,
         .type = tensor.part.scalar_type(),
         .shape = tensor.shape,
         .fill = [tensor, &gang](const at::Tensor& whole) { GatherOne(tensor, gang, whole); }});
  }
  return gathered;
}

NamedTensors Wholes(const std::vector<ShardedTensor>& tensors) {
  NamedTensors wholes;
  for (const ShardedTensor& tensor : tensors) {
    wholes.emplace_back(tensor.name,
                        at::empty(tensor.shape, tensor.part.options().device(at::kMeta)));
  }
  return wholes;
}

void Scatter(const std::vector<StoredTensor>& stored, const std::vector<ShardedTensor>& tensors,
             const Gang& gang) {
  for (const ShardedTensor& tensor : tensors) {
    const auto found = std::ranges::find(stored, tensor.name, &StoredTensor::name);
    const bool have = gang.Broadcast(std::string(found != stored.end() ? "yes" : "")) == "yes";
    if (!have) continue;
    at::Tensor whole;
    if (gang.first()) {
      // Read only; from_blob takes no const.
      auto* const bytes = const_cast<std::byte*>(found->bytes.data());
      whole = at::from_blob(bytes, tensor.shape, at::TensorOptions(tensor.part.scalar_type()));
    }
    ScatterOne(tensor, gang, whole);
  }
}

}  // namespace muster::trainer
