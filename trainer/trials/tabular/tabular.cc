#include <ATen/ops/argmax.h>

#include "trainer/run/main.h"
#include "trainer/trials/tabular/tabular_net.h"

/// Fraud and the like: a table with a label 0 or 1, where 1 is what is looked for.

namespace muster::trials {
namespace {

class Tabular final : public Trial {
 public:
  [[nodiscard]] std::string name() const override { return "tabular"; }
  [[nodiscard]] std::string about() const override {
    return "Learns to find the positive rows of a table, rare ones too.";
  }
  [[nodiscard]] std::vector<trainer::ParamSpec> params() const override {
    return {
        trainer::IntParam("features", 30, 1, 1'000'000, "columns of the table without the label"),
        trainer::IntParam("categories", 0, 0, 1000, "how many of the last are category numbers"),
        trainer::IntParam("buckets", 1024, 1, 1 << 24, "learned vectors for each of those"),
        trainer::IntParam("category_width", 8, 1, 4096, "numbers in such a vector"),
        trainer::IntParam("layers", 2, 0, 100, "hidden layers"),
        trainer::IntParam("width", 128, 1, 1 << 16, "of a hidden layer"),
        trainer::FloatParam("dropout", 0.1, 0.0, 0.95, "share of hidden units left out"),
        trainer::FloatParam(
            "positive_weight", 0.0, 0.0, 1e9,
            "of a positive row's loss; 0: as many as there are negatives to a positive")};
  }
  [[nodiscard]] DataSpec data() const override {
    return {.inputs = "features", .labels = "labels", .classes = 2};
  }
  std::shared_ptr<torch::nn::Module> Build(const trainer::Params& params) override {
    net_ = std::make_shared<TabularNet>(
        TabularShape{.features = params.Int("features"),
                     .categories = params.Int("categories"),
                     .buckets = params.Int("buckets"),
                     .category_width = params.Int("category_width"),
                     .layers = params.Int("layers"),
                     .width = params.Int("width"),
                     .dropout = params.Float("dropout"),
                     .positive_weight = params.Float("positive_weight")});
    return net_;
  }
  at::Tensor TrainStep(const Batch& batch) override {
    const at::Tensor labels_N = batch["labels"].to(at::kLong);
    net_->See(batch["features"], labels_N);
    return at::cross_entropy_loss(net_->Forward(batch["features"]), labels_N, net_->ClassWeights(),
                                  at::Reduction::Sum);
  }
  /// The loss is the mean weighted as in training; precision, recall and F1 are the positive class's.
  Means EvalStep(const Batch& batch) override {
    const at::Tensor labels_N = batch["labels"].to(at::kLong);
    const at::Tensor logits_N2 = net_->Forward(batch["features"]);
    const at::Tensor weights_2 = net_->ClassWeights();
    const at::Tensor loss =
        at::cross_entropy_loss(logits_N2, labels_N, weights_2, at::Reduction::Sum);
    const at::Tensor found_N = at::argmax(logits_N2, 1);
    // One read from the device.
    const at::Tensor sums =
        at::stack({loss.to(at::kDouble), weights_2.index_select(0, labels_N).sum().to(at::kDouble),
                   (found_N * labels_N).sum().to(at::kDouble), found_N.sum().to(at::kDouble),
                   labels_N.sum().to(at::kDouble)})
            .cpu();
    const auto* value = sums.const_data_ptr<double>();
    const double right = value[2], found = value[3], positives = value[4];
    const auto rows = static_cast<double>(batch.rows());
    const double wrong = found + positives - 2 * right;
    return {{"loss", {value[0], value[1]}},
            {"accuracy", {rows - wrong, rows}},
            {"precision", {right, found}},
            {"recall", {right, positives}},
            {"f1", {2 * right, found + positives}}};
  }
  at::Tensor Forward(const at::Tensor& inputs) override { return net_->Forward(inputs); }
  [[nodiscard]] ServedSpec served() const override {
    return {.task = Task::kBinary, .columns = {"features"}};
  }

 private:
  std::shared_ptr<TabularNet> net_;
};

}  // namespace
}  // namespace muster::trials

MUSTER_TRIAL(muster::trials::Tabular)
