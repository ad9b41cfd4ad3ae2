// Recommenders and other nets over tables and sets.

#include "tests/trainer/export/module_case.h"

namespace muster::testing {
namespace {

namespace nn = torch::nn;
namespace F = torch::nn::functional;
using at::Tensor;

nn::Sequential Mlp(std::int64_t in, std::int64_t hidden, std::int64_t out) {
  return nn::Sequential(nn::Linear(in, hidden), nn::ReLU(), nn::Linear(hidden, out));
}

// Two towers: users by id and history, items by id and numbers.

struct TwoTowerImpl : nn::Module {
  TwoTowerImpl() {
    register_module("users", users);
    register_module("history", history);
    register_module("items", items);
    register_module("user_tower", user_tower);
    register_module("item_tower", item_tower);
    temperature = register_parameter("temperature", torch::full({1}, 0.5));
  }
  std::vector<Tensor> forward(const Tensor& user, const Tensor& seen, const Tensor& item,
                              const Tensor& numbers) {
    const Tensor u = user_tower->forward(torch::cat({users(user), history(seen)}, 1));
    const Tensor v = item_tower->forward(torch::cat({items(item), numbers}, 1));
    const auto unit = F::NormalizeFuncOptions().p(2).dim(-1);
    const Tensor a = F::normalize(u, unit);
    const Tensor b = F::normalize(v, unit);
    return {(a * b).sum(-1) / temperature, a, b, torch::cosine_similarity(u, v)};
  }
  nn::Embedding users{50, 8}, items{40, 8};
  nn::EmbeddingBag history{nn::EmbeddingBagOptions(40, 8).mode(torch::kMean)};
  nn::Sequential user_tower = Mlp(16, 24, 12), item_tower = Mlp(12, 24, 12);
  Tensor temperature;
};
TORCH_MODULE(TwoTower);

std::vector<Tensor> UsersAndItems(std::int64_t rows) {
  at::manual_seed(900 + rows);
  return {at::randint(0, 50, {rows}, at::kLong), at::randint(0, 40, {rows, 6}, at::kLong),
          at::randint(0, 40, {rows}, at::kLong), at::randn({rows, 4})};
}

// DLRM (arXiv 1906.00091): bags of categories, dot products of all pairs.

struct DlrmImpl : nn::Module {
  DlrmImpl() {
    register_module("bottom", bottom);
    for (int i = 0; i < 3; ++i) {
      bags->push_back(nn::EmbeddingBag(nn::EmbeddingBagOptions(20, 8).mode(torch::kSum)));
    }
    register_module("bags", bags);
    register_module("top", top);
  }
  Tensor forward(const Tensor& dense, const Tensor& sparse) {
    const Tensor x = bottom->forward(dense);
    std::vector<Tensor> vectors = {x};
    for (std::size_t i = 0; i < bags->size(); ++i) {
      const Tensor ids = sparse.select(1, static_cast<std::int64_t>(i));
      vectors.push_back(bags[i]->as<nn::EmbeddingBag>()->forward(ids));
    }
    const Tensor all = torch::cat(vectors, 1).view({dense.size(0), -1, 8});
    const Tensor dots = torch::bmm(all, all.transpose(1, 2));
    const Tensor pairs = torch::tril_indices(4, 4, -1);
    const Tensor flat = dots.index({torch::indexing::Slice(), pairs[0], pairs[1]});
    return torch::sigmoid(top->forward(torch::cat({x, flat}, 1)));
  }
  nn::Sequential bottom = Mlp(5, 16, 8), top = Mlp(14, 16, 1);
  nn::ModuleList bags;
};
TORCH_MODULE(Dlrm);

std::vector<Tensor> DenseAndSparse(std::int64_t rows) {
  at::manual_seed(1000 + rows);
  return {at::randn({rows, 5}), at::randint(0, 20, {rows, 3, 4}, at::kLong)};
}

// DeepFM (arXiv 1703.04247).

struct DeepFmImpl : nn::Module {
  DeepFmImpl() {
    register_module("first", first);
    register_module("vectors", vectors);
    register_module("deep", deep);
    starts = register_buffer("starts", torch::arange(0, 40, 10));
  }
  Tensor forward(const Tensor& fields) {
    const Tensor ids = fields + starts;
    const Tensor v = vectors(ids);
    const Tensor pairs = 0.5 * (v.sum(1).pow(2) - v.pow(2).sum(1)).sum(1, true);
    return torch::sigmoid(first(ids).sum(1) + pairs + deep->forward(v.flatten(1)));
  }
  nn::Embedding first{40, 1}, vectors{40, 6};
  nn::Sequential deep = Mlp(24, 16, 1);
  Tensor starts;
};
TORCH_MODULE(DeepFm);

// A soft mixture of experts: every expert answers, the gate weighs the best two more.

struct MixtureImpl : nn::Module {
  MixtureImpl() {
    register_module("gate", gate);
    for (int i = 0; i < 4; ++i) experts->push_back(Mlp(12, 16, 6));
    register_module("experts", experts);
  }
  Tensor forward(const Tensor& x) {
    const Tensor logits = gate(x);
    const auto [best, which] = logits.topk(2, -1);
    const Tensor kept = torch::full_like(logits, -4.0).scatter(1, which, best);
    std::vector<Tensor> answers;
    for (const auto& expert : *experts) answers.push_back(expert->as<nn::Sequential>()->forward(x));
    return (torch::softmax(kept, -1).unsqueeze(-1) * torch::stack(answers, 1)).sum(1);
  }
  nn::Linear gate{12, 4};
  nn::ModuleList experts;
};
TORCH_MODULE(Mixture);

// A graph net over dense neighbourhoods (arXiv 1609.02907).

struct GcnImpl : nn::Module {
  GcnImpl() {
    register_module("first", first);
    register_module("second", second);
    register_module("norm", norm);
  }
  static Tensor Neighbourly(const Tensor& edges) {
    const Tensor linked =
        ((edges + edges.transpose(1, 2)) > 0).to(torch::kFloat) + torch::eye(edges.size(1));
    const Tensor degree = linked.sum(-1).clamp_min(1).rsqrt();
    return degree.unsqueeze(-1) * linked * degree.unsqueeze(-2);
  }
  Tensor forward(const Tensor& nodes, const Tensor& edges) {
    const Tensor around = Neighbourly(edges);
    Tensor x = torch::leaky_relu(torch::bmm(around, first(nodes)), 0.1);
    // Features as channels of a batch norm.
    x = norm(x.transpose(1, 2)).transpose(1, 2);
    return torch::bmm(around, second(x)).amax(1);
  }
  nn::Linear first{5, 12}, second{12, 4};
  nn::BatchNorm1d norm{12};
};
TORCH_MODULE(Gcn);

std::vector<Tensor> Graphs(std::int64_t rows) {
  at::manual_seed(1100 + rows);
  return {at::randn({rows, 7, 5}), at::randn({rows, 7, 7})};
}

// PointNet (arXiv 1612.00593).

struct PointNetImpl : nn::Module {
  PointNetImpl() {
    register_module("turn", turn);
    register_module("turner", turner);
    register_module("features", features);
    register_module("head", head);
  }
  Tensor forward(const Tensor& points) {  // (B, 3, N)
    const Tensor pooled = std::get<0>(torch::max(turn->forward(points), 2));
    const Tensor matrix = turner(pooled).view({-1, 3, 3}) + torch::eye(3).flatten().view({1, 3, 3});
    const Tensor turned = torch::bmm(points.transpose(2, 1), matrix).transpose(2, 1);
    return torch::log_softmax(head->forward(torch::amax(features->forward(turned), {2})), 1);
  }
  nn::Sequential turn{nn::Conv1d(nn::Conv1dOptions(3, 12, 1)), nn::BatchNorm1d(12), nn::ReLU()};
  nn::Linear turner{12, 9};
  nn::Sequential features{nn::Conv1d(nn::Conv1dOptions(3, 16, 1)), nn::BatchNorm1d(16), nn::ReLU(),
                          nn::Conv1d(nn::Conv1dOptions(16, 24, 1)), nn::BatchNorm1d(24)};
  nn::Sequential head{nn::Linear(24, 12), nn::BatchNorm1d(12), nn::ReLU(), nn::Linear(12, 5)};
};
TORCH_MODULE(PointNet);

Inputs Numbers(at::IntArrayRef rest) {
  return [rest = rest.vec()](std::int64_t rows) -> std::vector<Tensor> {
    at::manual_seed(1200 + rows);
    std::vector<std::int64_t> shape = rest;
    shape.insert(shape.begin(), rows);
    return {at::randn(shape)};
  };
}

}  // namespace

std::vector<ExportCase> TabularArchitectures() {
  const auto two = [](auto& net, const std::vector<Tensor>& in) -> std::vector<Tensor> {
    return {net.forward(in[0], in[1])};
  };
  return {Architecture<TwoTower>(
              "two_tower",
              [](TwoTowerImpl& net, auto& in) { return net.forward(in[0], in[1], in[2], in[3]); },
              UsersAndItems),
          Architecture<Dlrm>("dlrm", two, DenseAndSparse),
          Architecture<DeepFm>("deepfm", Ids(4, 10)),
          Architecture<Mixture>("mixture_of_experts", Numbers({12})),
          Architecture<Gcn>("gcn", two, Graphs),
          Architecture<PointNet>("pointnet", Numbers({3, 20}))};
}

}  // namespace muster::testing
