#include "trainer/trial.h"

#include <ATen/core/Reduction.h>
#include <ATen/ops/argmax.h>
#include <ATen/ops/cross_entropy_loss.h>
#include <ATen/ops/eq.h>

#include "runtime/base/check.h"
#include "trainer/torch/columns.h"

namespace muster {

const at::Tensor& Batch::operator[](std::string_view name) const {
  const auto found = columns_->tensors.find(name);
  MUSTER_CHECK(found != columns_->tensors.end(), "a trial reads only the columns that it named");
  return found->second;
}

std::vector<std::string> DataSpec::columns() const {
  std::vector<std::string> all{inputs};
  if (labels != inputs) all.push_back(labels);
  all.insert(all.end(), more.begin(), more.end());
  return all;
}

trainer::OptimizerSpec Trial::optimizer(const trainer::Params& params) const {
  return trainer::SpecFromParams(params);
}

std::vector<at::Tensor> Trial::Serve(const std::vector<at::Tensor>& inputs) {
  MUSTER_CHECK(inputs.size() == 1, "a trial of several inputs overrides Serve");
  return {Forward(inputs[0])};
}

at::Tensor ClassifierTrial::TrainStep(const Batch& batch) {
  const DataSpec columns = data();
  return at::cross_entropy_loss(Forward(batch[columns.inputs]), batch[columns.labels].to(at::kLong),
                                {}, at::Reduction::Sum,
                                /*ignore_index=*/-100, label_smoothing());
}

Means ClassifierTrial::EvalStep(const Batch& batch) {
  const DataSpec columns = data();
  const at::Tensor logits_NC = Forward(batch[columns.inputs]);
  const at::Tensor labels_N = batch[columns.labels].to(at::kLong);
  const at::Tensor loss = at::cross_entropy_loss(logits_NC, labels_N, {}, at::Reduction::Sum);
  const at::Tensor right = at::eq(at::argmax(logits_NC, 1), labels_N).sum();
  const auto rows = static_cast<double>(batch.rows());
  return {{"loss", {loss.item<double>(), rows}}, {"accuracy", {right.item<double>(), rows}}};
}

}  // namespace muster
