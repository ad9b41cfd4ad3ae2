#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "trainer/torch/gang.h"

/// Clipping by the global norm: Pascanu et al., "On the difficulty of training recurrent neural networks" (2013), with
/// the formula of PyTorch's torch.nn.utils.clip_grad_norm_.

namespace muster::trainer {

/// Scales the gradients, of one device, in place by max_norm / (norm + 1e-6) where that is below 1, and answers their norm
/// before that: a scalar on their device (0 of no gradients). `max_norm` is above 0. Nothing waits for a GPU. A norm
/// that is not finite is answered as it is, and leaves gradients that are not finite, or 0: the step is to be left out or
/// the run to be ended.
at::Tensor ClipByGlobalNorm(const std::vector<at::Tensor>& gradients, double max_norm);
/// The same where each rank has a part of the gradients: by the norm of all of them. All ranks.
at::Tensor ClipByGlobalNorm(const std::vector<at::Tensor>& gradients, double max_norm,
                            const Gang& gang);

}  // namespace muster::trainer
