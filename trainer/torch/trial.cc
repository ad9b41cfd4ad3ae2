#include "trainer/torch/trial.h"

#include <ATen/core/Reduction.h>
#include <ATen/ops/argmax.h>
#include <ATen/ops/cross_entropy_loss.h>
#include <ATen/ops/eq.h>

#include "runtime/base/check.h"

namespace muster {

const at::Tensor& Batch::operator[](std::string_view name) const {
  const auto found = columns.find(name);
  MUSTER_CHECK(found != columns.end(), "a trial reads only the columns that it named");
  return found->second;
}

at::Tensor ClassifierTrial::TrainLoss(const Batch& batch) {
  return at::cross_entropy_loss(Forward(batch[inputs_column()]),
                                batch[labels_column()].to(at::kLong), {}, at::Reduction::Sum,
                                /*ignore_index=*/-100, label_smoothing());
}

Sums ClassifierTrial::Evaluate(const Batch& batch) {
  const at::Tensor logits_NC = Forward(batch[inputs_column()]);
  const at::Tensor labels_N = batch[labels_column()].to(at::kLong);
  const at::Tensor loss = at::cross_entropy_loss(logits_NC, labels_N, {}, at::Reduction::Sum);
  const at::Tensor right = at::eq(at::argmax(logits_NC, 1), labels_N).sum();
  return {{"loss", loss.item<double>()}, {"accuracy", right.item<double>()}};
}

}  // namespace muster
