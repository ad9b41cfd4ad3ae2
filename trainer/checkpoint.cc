#include "trainer/checkpoint.h"

#include <algorithm>

#include "runtime/wire/codec.h"

namespace muster::trainer {

BOOST_DESCRIBE_STRUCT(Progress, (),
                      (step, epoch, batch, seed, batch_size, train_rows, loss_sum, seconds, best,
                       metrics))

std::string EncodeProgress(const Progress& progress) { return wire::Encode(progress); }
Result<Progress> DecodeProgress(std::string_view json) { return wire::Decode<Progress>(json); }

std::string_view GroupOf(std::string_view name) { return name.substr(0, name.find('.')); }

bool HasGroup(const Checkpoint& checkpoint, std::string_view group) {
  return std::ranges::any_of(checkpoint.tensors, [&](const StoredTensor& tensor) {
    return GroupOf(tensor.name) == group;
  });
}

CheckpointView::CheckpointView(const Checkpoint& checkpoint)
    : progress(checkpoint.progress), metadata(checkpoint.metadata) {
  tensors.reserve(checkpoint.tensors.size());
  for (const StoredTensor& tensor : checkpoint.tensors) {
    tensors.push_back({tensor.name, tensor.dtype, tensor.shape, tensor.bytes});
  }
}

Checkpoint CheckpointView::Copy() const {
  Checkpoint checkpoint{.progress = progress, .metadata = metadata, .tensors = {}};
  checkpoint.tensors.reserve(tensors.size());
  for (const TensorView& tensor : tensors) {
    checkpoint.tensors.push_back(
        {tensor.name, tensor.dtype, tensor.shape, {tensor.bytes.begin(), tensor.bytes.end()}});
  }
  return checkpoint;
}

}  // namespace muster::trainer
