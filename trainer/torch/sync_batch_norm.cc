#include "trainer/torch/sync_batch_norm.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/addcmul.h>
#include <ATen/ops/batch_norm.h>
#include <ATen/ops/batch_norm_backward_elemt.h>
#include <ATen/ops/batch_norm_backward_reduce.h>
#include <ATen/ops/batch_norm_elemt.h>
#include <ATen/ops/batch_norm_gather_stats_with_counts.h>
#include <ATen/ops/batch_norm_stats.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/full.h>
#include <ATen/ops/native_batch_norm.h>
#include <ATen/ops/native_batch_norm_backward.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/rsqrt.h>
#include <ATen/ops/var_mean.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>
#include <torch/csrc/autograd/custom_function.h>

#include <ostream>
#include <vector>

// R ranks, C channels.

namespace muster::trainer {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

at::ScalarType StatisticsType(const at::Tensor& x) {
  return x.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
}

/// (C) as (1, C, 1, ...), to go with x.
at::Tensor ByChannel(const at::Tensor& values, const at::Tensor& x) {
  std::vector<std::int64_t> shape(static_cast<std::size_t>(x.dim()), 1);
  shape[1] = values.numel();
  return values.view(shape);
}

/// Of this rank's x: mean, variance (over the number of values) and that number: (2 C + 1).
at::Tensor OwnStatistics(const at::Tensor& x, double eps) {
  const at::TensorOptions options = x.options().dtype(StatisticsType(x)).requires_grad(false);
  const std::int64_t channels = x.size(1);
  const at::Tensor count = at::full({1}, static_cast<double>(x.numel() / channels), options);
  if (x.numel() == 0) return at::cat({at::zeros({2 * channels}, options), count});
  if (x.is_cuda()) {  // the second is 1 / sqrt(variance + eps) there
    const auto [mean, inverse] = at::batch_norm_stats(x, eps);
    return at::cat({mean, inverse, count});
  }
  std::vector<std::int64_t> dimensions = {0};
  for (std::int64_t d = 2; d < x.dim(); ++d) dimensions.push_back(d);
  const auto [variance, mean] =
      at::var_mean(x.to(options.dtype()), at::IntArrayRef(dimensions), /*correction=*/0.0);
  return at::cat({mean, variance, count});
}

/// (R, 2 C + 1)
at::Tensor AllStatistics(const at::Tensor& own, const Gang& gang) {
  const std::int64_t ranks = gang.rank().world_size;
  at::Tensor all = at::zeros({ranks, own.numel()}, own.options());
  all[gang.rank().rank].copy_(own);
  return gang.Sum(all);
}

/// Of all ranks' values together.
struct Statistics {
  at::Tensor mean;      ///< (C)
  at::Tensor variance;  ///< (C), over the number of values; not on CUDA
  at::Tensor inverse;   ///< (C): 1 / sqrt(variance + eps)
  at::Tensor counts;    ///< (R): values a channel
};

struct Running {
  at::Tensor mean, variance;  ///< (C) or undefined
  double momentum = 0;
};

std::optional<at::Tensor> IfDefined(const at::Tensor& tensor) {
  return tensor.defined() ? std::optional(tensor) : std::nullopt;
}

void MoveTowards(const at::Tensor& running, const at::Tensor& value, double momentum) {
  if (running.defined()) running.mul_(1 - momentum).add_(value.to(running.scalar_type()), momentum);
}

/// Running statistics move. Chan et al., "Algorithms for Computing the Sample Variance" (1983).
Statistics Combine(const at::Tensor& all, const at::Tensor& x, const Running& running, double eps) {
  const std::int64_t channels = x.size(1);
  const at::Tensor mean_RC = all.narrow(1, 0, channels);
  const at::Tensor spread_RC = all.narrow(1, channels, channels);
  const at::Tensor counts = all.select(1, 2 * channels).contiguous();
  if (x.is_cuda()) {
    const auto [mean, inverse] = at::batch_norm_gather_stats_with_counts(
        x, mean_RC.contiguous(), spread_RC.contiguous(), IfDefined(running.mean),
        IfDefined(running.variance), running.momentum, eps, counts);
    return {.mean = mean, .inverse = inverse, .counts = counts};
  }
  const at::Tensor weight_R1 = counts.unsqueeze(1);
  const at::Tensor total = counts.sum();
  TORCH_CHECK(total.item<double>() > 1, "batch norm in training: the ranks have ",
              total.item<double>(), " values a channel together, wanted 2 or more");
  const at::Tensor mean = (mean_RC * weight_R1).sum(0) / total;
  const at::Tensor squares = ((spread_RC + (mean_RC - mean).square()) * weight_R1).sum(0);
  MoveTowards(running.mean, mean, running.momentum);
  MoveTowards(running.variance, squares / (total - 1), running.momentum);
  const at::Tensor variance = squares / total;
  return {
      .mean = mean, .variance = variance, .inverse = at::rsqrt(variance + eps), .counts = counts};
}

/// With a node of its own in the graph.
class Normalize final : public torch::autograd::Function<Normalize> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x_given,
                            const at::Tensor& weight, const at::Tensor& bias,
                            const Running& running, double eps, const Gang* gang) {
    const at::Tensor x = x_given.contiguous(x_given.suggest_memory_format());
    const Statistics all = Combine(AllStatistics(OwnStatistics(x, eps), *gang), x, running, eps);
    context->save_for_backward({x, weight, all.mean, all.variance, all.inverse, all.counts});
    context->saved_data["gang"] = reinterpret_cast<std::int64_t>(gang);
    context->saved_data["eps"] = eps;
    if (x.numel() == 0) return at::empty_like(x);
    if (x.is_cuda()) {
      return at::batch_norm_elemt(x, IfDefined(weight), IfDefined(bias), all.mean, all.inverse,
                                  eps);
    }
    return std::get<0>(at::native_batch_norm(x, IfDefined(weight), IfDefined(bias), all.mean,
                                             all.variance, /*training=*/false, 0.0, eps));
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const variable_list saved = context->get_saved_variables();
    const at::Tensor& x = saved[0];
    const at::Tensor& weight = saved[1];
    const Statistics all{
        .mean = saved[2], .variance = saved[3], .inverse = saved[4], .counts = saved[5]};
    const auto& gang = *reinterpret_cast<const Gang*>(context->saved_data["gang"].toInt());
    const at::Tensor dy = gradients[0].contiguous(x.suggest_memory_format());
    const Sums own = OwnSums(dy, x, weight, all, context->saved_data["eps"].toDouble());
    const at::Tensor sums = gang.Sum(at::cat({own.dy, own.dy_x}));
    const at::Tensor dx =
        x.numel() == 0 ? at::zeros_like(x) : InputGradient(dy, x, weight, all, sums.chunk(2, 0));
    const bool affine = weight.defined();
    return {dx,
            affine ? own.weight : at::Tensor(),
            affine ? own.dy : at::Tensor(),
            at::Tensor(),
            at::Tensor(),
            at::Tensor()};
  }

 private:
  /// Over this rank's values; (C).
  struct Sums {
    at::Tensor dy;
    at::Tensor dy_x;    ///< of dy * (x - mean); on the CPU times 1 / sqrt(variance + eps)
    at::Tensor weight;  ///< of dy * (x - mean) / sqrt(variance + eps)
  };

  static Sums OwnSums(const at::Tensor& dy, const at::Tensor& x, const at::Tensor& weight,
                      const Statistics& all, double eps) {
    if (x.numel() == 0) {
      const at::Tensor none = at::zeros_like(all.mean);
      return {none, none, none};
    }
    if (x.is_cuda()) {
      const auto [sum_dy, sum_dy_x, of_weight, of_bias] =
          at::batch_norm_backward_reduce(dy, x, all.mean, all.inverse, IfDefined(weight), true,
                                         weight.defined(), weight.defined());
      return {sum_dy, sum_dy_x, of_weight};
    }
    // With statistics that are given, the sums are all that its gradients of weight and bias are.
    const auto [none, of_weight, of_bias] = at::native_batch_norm_backward(
        dy, x, IfDefined(weight), all.mean, all.variance, std::nullopt, std::nullopt,
        /*train=*/false, eps, {false, true, true});
    return {of_bias, of_weight, of_weight};
  }

  /// From the sums of all ranks.
  static at::Tensor InputGradient(const at::Tensor& dy, const at::Tensor& x,
                                  const at::Tensor& weight, const Statistics& all,
                                  const std::vector<at::Tensor>& sums) {
    if (x.is_cuda()) {
      return at::batch_norm_backward_elemt(dy, x, all.mean, all.inverse, IfDefined(weight), sums[0],
                                           sums[1], all.counts.to(at::kInt));
    }
    // scale * (dy - mean of dy - normalized x * mean of (dy * normalized x)), as a line in x and dy
    const at::Tensor total = all.counts.sum();
    const at::Tensor scale = weight.defined() ? all.inverse * weight : all.inverse;
    const at::Tensor slope = -scale * all.inverse * sums[1] / total;
    const at::Tensor offset = -scale * sums[0] / total - slope * all.mean;
    const at::ScalarType type = scale.scalar_type();
    const at::Tensor of_x = at::addcmul(ByChannel(offset, x), x.to(type), ByChannel(slope, x));
    return at::addcmul(of_x, dy.to(type), ByChannel(scale, x)).to(x.scalar_type());
  }
};

}  // namespace

at::Tensor SyncBatchNormalize(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                              const at::Tensor& running_mean, const at::Tensor& running_variance,
                              double momentum, double eps, const Gang& gang) {
  TORCH_CHECK(x.dim() >= 2, "batch norm takes (N, C, ...), not a tensor of shape ", x.sizes());
  return Normalize::apply(
      x, weight, bias,
      Running{.mean = running_mean, .variance = running_variance, .momentum = momentum}, eps,
      &gang);
}

SyncBatchNormImpl::SyncBatchNormImpl(std::int64_t channels, const Gang* gang,
                                     SyncBatchNormOptions options)
    : channels_(channels), options_(options) {
  if (gang != nullptr && !gang->alone()) gang_ = std::make_shared<Gang>(*gang);
  SyncBatchNormImpl::reset();
}

void SyncBatchNormImpl::reset() {
  weight = register_parameter("weight", at::ones({channels_}));
  bias = register_parameter("bias", at::zeros({channels_}));
  running_mean = register_buffer("running_mean", at::zeros({channels_}));
  running_var = register_buffer("running_var", at::ones({channels_}));
  num_batches_tracked =
      register_buffer("num_batches_tracked", at::zeros({}, at::TensorOptions(at::kLong)));
}

void SyncBatchNormImpl::pretty_print(std::ostream& stream) const {
  stream << "SyncBatchNorm(" << channels_ << ", eps=" << options_.eps
         << ", momentum=" << options_.momentum << ")";
}

at::Tensor SyncBatchNormImpl::forward(const at::Tensor& x) {
  if (is_training()) num_batches_tracked.add_(1);
  if (is_training() && gang_) {
    return SyncBatchNormalize(x, weight, bias, running_mean, running_var, options_.momentum,
                              options_.eps, *gang_);
  }
  return at::batch_norm(x, weight, bias, running_mean, running_var, is_training(),
                        options_.momentum, options_.eps, /*cudnn_enabled=*/true);
}

}  // namespace muster::trainer
