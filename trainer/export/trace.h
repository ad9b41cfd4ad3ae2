#pragma once

#include <array>
#include <memory>
#include <vector>

#include "runtime/base/result.h"
#include "trainer/export/export.h"

namespace torch::jit {
struct Graph;
}

/// Step 1 of export.h: LibTorch's tracer. Private to trainer/export.

namespace muster::exporting {

using Graphs = std::vector<std::shared_ptr<torch::jit::Graph>>;

/// Pairwise different and none is 1, which would broadcast. Two show a line, the third that it is
/// one.
inline constexpr std::array<std::int64_t, 3> kBatches = {2, 3, 5};

/// One graph for each of kBatches, or one with the examples as they are. The graphs' inputs are the
/// examples, then the tensors of `state`. Gradients must be off.
Result<Graphs> TraceAll(const Forward& forward, const std::vector<NamedTensor>& state,
                        const std::vector<at::Tensor>& examples, bool dynamic_batch);

}  // namespace muster::exporting
