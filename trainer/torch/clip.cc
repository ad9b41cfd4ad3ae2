#include "trainer/torch/clip.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/_foreach_mul.h>
#include <ATen/ops/_foreach_norm.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros.h>

namespace muster::trainer {

namespace {

at::Tensor Norm(const std::vector<at::Tensor>& gradients) {
  if (gradients.empty()) return at::zeros({});
  return at::linalg_vector_norm(at::stack(at::_foreach_norm(gradients, 2)), 2);
}

void Scale(const std::vector<at::Tensor>& gradients, const at::Tensor& norm, double max_norm) {
  if (gradients.empty()) return;
  const at::Tensor coefficient = (max_norm / (norm + 1e-6)).clamp_max(1.0);
  // Times 1 changes nothing, but only in host memory is it free to look.
  if (coefficient.is_cpu() && coefficient.item<double>() == 1.0) return;
  at::_foreach_mul_(gradients, coefficient);
}

}  // namespace

at::Tensor ClipByGlobalNorm(const std::vector<at::Tensor>& gradients, double max_norm) {
  at::Tensor norm = Norm(gradients);
  Scale(gradients, norm, max_norm);
  return norm;
}

at::Tensor ClipByGlobalNorm(const std::vector<at::Tensor>& gradients, double max_norm,
                            const Gang& gang) {
  at::Tensor norm = gang.Sum(Norm(gradients).square()).sqrt();
  Scale(gradients, norm, max_norm);
  return norm;
}

}  // namespace muster::trainer
