#include <ATen/ops/sum.h>

#include "trainer/run/main.h"
#include "trainer/trials/two_tower/two_tower_net.h"

/// What a user takes next: rows of a history, the item that followed it, and that item's genres.

namespace muster::trials {
namespace {

class TwoTower final : public Trial {
 public:
  [[nodiscard]] std::string name() const override { return "two_tower"; }
  [[nodiscard]] std::string about() const override {
    return "Learns to recommend items: vectors for users, by what they have had, and for items.";
  }
  [[nodiscard]] std::vector<trainer::ParamSpec> params() const override {
    return {
        trainer::IntParam("items", 10'000, 1, 1 << 28, "ids are 1 to items; 0 fills rows up"),
        trainer::IntParam("genres", 32, 1, 1 << 20, "ids are 1 to genres; 0 fills rows up"),
        trainer::IntParam("width", 64, 1, 4096, "numbers in a vector"),
        trainer::IntParam("hidden", 128, 1, 1 << 16, "width of a tower's hidden layer"),
        trainer::FloatParam("temperature", 0.1, 1e-3, 100.0, "scores are cosines divided by it"),
        trainer::IntParam("k", 10, 1, 1'000'000,
                          "recall counts rows whose item is among the best k")};
  }
  [[nodiscard]] DataSpec data() const override {
    return {.inputs = "history", .labels = "item", .more = {"genres"}};
  }
  std::shared_ptr<torch::nn::Module> Build(const trainer::Params& params) override {
    k_ = params.Int("k");
    net_ = std::make_shared<TwoTowerNet>(TwoTowerShape{.items = params.Int("items"),
                                                       .genres = params.Int("genres"),
                                                       .width = params.Int("width"),
                                                       .hidden = params.Int("hidden"),
                                                       .temperature = params.Float("temperature")});
    return net_;
  }
  at::Tensor TrainStep(const Batch& batch) override {
    return net_->Judge(batch["history"], batch["item"], batch["genres"]).loss_sum;
  }
  /// Candidates are the items of the batch, so that both depend on its size.
  Means EvalStep(const Batch& batch) override {
    const auto [loss, scores_NN] = net_->Judge(batch["history"], batch["item"], batch["genres"]);
    const at::Tensor better_N = scores_NN.gt(scores_NN.diagonal().unsqueeze(1)).sum(1);
    const auto rows = static_cast<double>(batch.rows());
    return {{"loss", {loss.item<double>(), rows}},
            {"recall", {better_N.lt(k_).sum().item<double>(), rows}}};
  }
  /// A history (N, L) to the user's vector (N, D), for a search among items' vectors.
  at::Tensor Forward(const at::Tensor& inputs) override { return net_->Users(inputs); }
  /// Both towers, so that a model's users are held against its own items.
  std::vector<at::Tensor> Serve(const std::vector<at::Tensor>& inputs) override {
    return {net_->Users(inputs[0]), net_->Items(inputs[1], inputs[2])};
  }
  [[nodiscard]] ServedSpec served() const override {
    return {.task = Task::kRetrieval,
            .columns = {"history", "item", "genres"},
            .outputs = {"user", "item_vector"}};
  }

 private:
  std::int64_t k_ = 10;
  std::shared_ptr<TwoTowerNet> net_;
};

}  // namespace
}  // namespace muster::trials

MUSTER_TRIAL(muster::trials::TwoTower)
