#pragma once

#include <ATen/ops/cat.h>
#include <ATen/ops/clamp.h>
#include <ATen/ops/cross_entropy_loss.h>
#include <ATen/ops/dropout.h>
#include <ATen/ops/embedding.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/remainder.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/sum.h>
#include <ATen/ops/zeros.h>
#include <c10/core/GradMode.h>
#include <torch/nn/module.h>
#include <torch/nn/modules/embedding.h>
#include <torch/nn/modules/linear.h>

#include <vector>

/// A table's rows in two classes, of which the positive one may be rare: numbers are standardised, categories have
/// learned vectors, and a few linear layers follow. N rows, F features, E width of a category's vector.

namespace muster::trials {

struct TabularShape {
  std::int64_t features = 30;
  std::int64_t categories =
      0;  ///< how many of the last features are category numbers, 0 or more each
  std::int64_t buckets =
      1024;  ///< vectors for each of them; a category takes number modulo buckets
  std::int64_t category_width = 8;
  std::int64_t layers = 2;
  std::int64_t width = 128;
  double dropout = 0;
  double positive_weight =
      0;  ///< of a positive row's loss; 0: negatives per positive, as seen so far
};

class TabularNet final : public torch::nn::Module {
 public:
  explicit TabularNet(const TabularShape& shape) : shape_(shape) {
    TORCH_CHECK(shape.categories <= shape.features, "categories ", shape.categories,
                ", wanted at most features, ", shape.features);
    const std::int64_t numbers = shape.features - shape.categories;
    // In f64 and not as running averages: they are the data's own in the end, and no batch is too small for them.
    const auto exact = at::TensorOptions(at::kDouble);
    seen_ = register_buffer("seen", at::zeros({2}, exact));
    sum_ = register_buffer("sum", at::zeros({numbers}, exact));
    squares_ = register_buffer("squares", at::zeros({numbers}, exact));
    for (std::int64_t i = 0; i < shape.categories; ++i) {
      categories_.push_back(
          register_module("category" + std::to_string(i),
                          torch::nn::Embedding(shape.buckets, shape.category_width)));
    }
    std::int64_t in = numbers + shape.categories * shape.category_width;
    for (std::int64_t i = 0; i < shape.layers; ++i) {
      hidden_.push_back(
          register_module("hidden" + std::to_string(i), torch::nn::Linear(in, shape.width)));
      in = shape.width;
    }
    classes_ = register_module("classes", torch::nn::Linear(in, 2));
  }

  /// Adds a training batch to what numbers are standardised by and to the counts of the classes. Labels are 0 or 1.
  void See(const at::Tensor& features_NF, const at::Tensor& labels_N) {
    const c10::NoGradGuard no_gradients;
    const at::Tensor numbers = Numbers(features_NF).to(at::kDouble);
    const at::Tensor positives = labels_N.sum().to(at::kDouble);
    seen_ += at::stack({static_cast<double>(labels_N.size(0)) - positives, positives});
    sum_ += numbers.sum(0);
    squares_ += numbers.square().sum(0);
  }

  /// Logits (N, 2), of the negative and the positive class.
  at::Tensor Forward(const at::Tensor& features_NF) {
    TORCH_CHECK(features_NF.size(1) == shape_.features, "rows of ", features_NF.size(1),
                " features, wanted features, ", shape_.features);
    std::vector<at::Tensor> parts = {Standardised(Numbers(features_NF))};
    for (std::size_t i = 0; i < categories_.size(); ++i) {
      const auto column = shape_.features - shape_.categories + static_cast<std::int64_t>(i);
      const at::Tensor ids = features_NF.select(1, column).to(at::kLong);
      parts.push_back(categories_[i]->forward(at::remainder(ids, shape_.buckets)));
    }
    at::Tensor x = parts.size() == 1 ? parts[0] : at::cat(parts, 1);
    for (auto& layer : hidden_) {
      x = at::dropout(at::relu(layer(x)), shape_.dropout, is_training());
    }
    return classes_(x).to(at::kFloat);  // whatever autocast made of it
  }

  /// Of a negative and of a positive row.
  [[nodiscard]] at::Tensor ClassWeights() const {
    if (shape_.positive_weight > 0) {
      return at::stack({at::ones_like(seen_[0]), at::full_like(seen_[0], shape_.positive_weight)})
          .to(at::kFloat);
    }
    // One more of each, so that there is a weight before the first positive row.
    return at::stack({at::ones_like(seen_[0]), (seen_[0] + 1) / (seen_[1] + 1)}).to(at::kFloat);
  }

 private:
  [[nodiscard]] at::Tensor Numbers(const at::Tensor& features_NF) const {
    return features_NF.slice(1, 0, shape_.features - shape_.categories).to(at::kFloat);
  }
  [[nodiscard]] at::Tensor Standardised(const at::Tensor& numbers) const {
    const at::Tensor rows = seen_.sum().clamp_min(1);
    const at::Tensor mean = sum_ / rows;
    const at::Tensor deviation = (squares_ / rows - mean.square()).clamp_min(1e-12).sqrt();
    // A value far out, an amount of millions say, shall not outweigh the rest of the row.
    return at::clamp((numbers - mean.to(at::kFloat)) / deviation.to(at::kFloat), -10, 10);
  }

  TabularShape shape_;
  at::Tensor seen_, sum_, squares_;  ///< rows of each class; of each number over all rows
  std::vector<torch::nn::Embedding> categories_;
  std::vector<torch::nn::Linear> hidden_;
  torch::nn::Linear classes_{nullptr};
};

}  // namespace muster::trials
