#pragma once

#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/cross_entropy_loss.h>
#include <ATen/ops/embedding.h>
#include <ATen/ops/embedding_bag.h>
#include <ATen/ops/eye.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/norm.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/zeros.h>
#include <c10/core/GradMode.h>
#include <torch/nn/module.h>
#include <torch/nn/modules/embedding.h>
#include <torch/nn/modules/linear.h>

#include <limits>
#include <memory>

/// A recommender of two towers (Yi et al. 2019, "Sampling-Bias-Corrected Neural Modeling for Large Corpus Item
/// Recommendations"): one makes a vector of what a user has had, one of an item, and their dot product is the score.
/// N rows, L items of a history, G genres of an item, D numbers in a vector. Ids count from 1; 0 and below fill rows up.

namespace muster::trials {

struct TwoTowerShape {
  std::int64_t items = 10'000;  ///< ids are 1 to items
  std::int64_t genres = 32;     ///< ids are 1 to genres
  std::int64_t width = 64;      ///< D
  std::int64_t hidden = 128;
  double temperature = 0.1;  ///< scores are cosines divided by it
};

class Tower final : public torch::nn::Module {
 public:
  Tower(std::int64_t in, std::int64_t hidden, std::int64_t out)
      : hidden_(register_module("hidden", torch::nn::Linear(in, hidden))),
        out_(register_module("out", torch::nn::Linear(hidden, out))) {}
  /// Vectors of length 1.
  at::Tensor Forward(const at::Tensor& x) {
    const at::Tensor y_ND = out_(at::relu(hidden_(x)));
    return y_ND / at::norm(y_ND, 2, {1}, /*keepdim=*/true).clamp_min(1e-6);
  }

 private:
  torch::nn::Linear hidden_, out_;
};

class TwoTowerNet final : public torch::nn::Module {
 public:
  explicit TwoTowerNet(const TwoTowerShape& shape) : shape_(shape) {
    items_ = register_parameter("items", at::empty({shape.items + 1, shape.width}));
    genres_ = register_parameter("genres", at::empty({shape.genres + 1, shape.width}));
    met_ = register_buffer("met", at::zeros({shape.items + 1}, at::kLong));
    user_ =
        register_module("user", std::make_shared<Tower>(shape.width, shape.hidden, shape.width));
    item_ = register_module("item",
                            std::make_shared<Tower>(2 * shape.width, shape.hidden, shape.width));
    const c10::NoGradGuard no_gradients;
    items_.normal_(0, 0.1);
    genres_.normal_(0, 0.1);
  }

  at::Tensor Users(const at::Tensor& history_NL) { return user_->Forward(Bag(items_, history_NL)); }
  at::Tensor Items(const at::Tensor& item_N, const at::Tensor& genres_NG) {
    return item_->Forward(
        at::cat({at::embedding(items_, Ids(item_N)), Bag(genres_, genres_NG)}, 1));
  }

  /// Scores (N, N) of each user with each row's item; minus infinity where it is another row's copy of the user's own
  /// item, which is no wrong answer.
  at::Tensor Scores(const at::Tensor& users_ND, const at::Tensor& items_ND,
                    const at::Tensor& item_N) const {
    const at::Tensor scores_NN =
        at::matmul(users_ND, items_ND.t()).to(at::kFloat) / shape_.temperature;
    const at::Tensor same_NN = item_N.unsqueeze(0).eq(item_N.unsqueeze(1));
    const at::Tensor own_NN = at::eye(item_N.size(0), item_N.options().dtype(at::kBool));
    return scores_NN.masked_fill(same_NN.logical_and(own_NN.logical_not()),
                                 -std::numeric_limits<double>::infinity());
  }

  /// What a row is trained and judged by. Its scores are those of Scores.
  struct Judged {
    at::Tensor loss_sum;
    at::Tensor scores_NN;
  };
  /// The loss is the cross entropy of each row's item among those of the batch, summed over rows. An item that is met
  /// often is also often a wrong answer; there its score is lowered by the logarithm of how often (section 3 of the paper).
  Judged Judge(const at::Tensor& history_NL, const at::Tensor& item_N,
               const at::Tensor& genres_NG) {
    const at::Tensor ids_N = Ids(item_N);
    if (is_training()) {
      const c10::NoGradGuard no_gradients;
      met_.index_add_(0, ids_N, at::ones_like(ids_N));
    }
    const at::Tensor scores_NN = Scores(Users(history_NL), Items(item_N, genres_NG), ids_N);
    const at::Tensor often_N = (met_.index_select(0, ids_N).to(at::kFloat) + 1).log();
    const at::Tensor rows_N = at::arange(ids_N.size(0), ids_N.options());
    return {at::cross_entropy_loss(scores_NN - often_N, rows_N, {}, at::Reduction::Sum), scores_NN};
  }

 private:
  /// 0 and below: 0.
  static at::Tensor Ids(const at::Tensor& ids) { return ids.to(at::kLong).clamp_min(0); }

  /// The mean vector of each row's ids, zeros where it has none.
  static at::Tensor Bag(const at::Tensor& vectors, const at::Tensor& ids_NL) {
    const at::Tensor ids = Ids(ids_NL);
    const std::int64_t rows = ids.size(0), length = ids.size(1);
    constexpr std::int64_t kMean = 1;
    return std::get<0>(at::embedding_bag(vectors, ids.reshape({rows * length}),
                                         at::arange(0, rows * length, length, ids.options()),
                                         /*scale_grad_by_freq=*/false, kMean, /*sparse=*/false,
                                         /*per_sample_weights=*/{}, /*include_last_offset=*/false,
                                         /*padding_idx=*/0));
  }

  TwoTowerShape shape_;
  at::Tensor items_, genres_;
  at::Tensor met_;  ///< how often each item was in a training row
  std::shared_ptr<Tower> user_, item_;
};

}  // namespace muster::trials
