#include <numbers>

#include "trainer/run/main.h"
#include "trainer/trials/gpt/gpt_net.h"

/// A byte-level language model: rows of context + 1 bytes, each byte told from those before it.

namespace muster::trials {
namespace {

class Gpt final : public Trial {
 public:
  [[nodiscard]] std::string name() const override { return "gpt"; }
  [[nodiscard]] std::string about() const override {
    return "Learns to continue text: a GPT over bytes, or over other tokens numbered from 0.";
  }
  [[nodiscard]] std::vector<trainer::ParamSpec> params() const override {
    return {
        trainer::IntParam("layers", 6, 1, 1000, "blocks of attention and feed-forward"),
        trainer::IntParam("heads", 6, 1, 1024, "of attention in a block; divides width"),
        trainer::IntParam("width", 384, 1, 1 << 16, "of the residual stream"),
        trainer::IntParam("context", 256, 1, 1 << 20,
                          "most tokens that are looked back at; rows have at most one more"),
        trainer::IntParam("vocab", 256, 2, 1 << 24, "different tokens; 256 for bytes"),
        trainer::FloatParam("dropout", 0.0, 0.0, 0.95, "share of activations left out"),
        trainer::IntParam(
            "recompute", 0, 0, 1,
            "1: keep less for the backward pass and compute it again, a third more work"),
        trainer::FloatParam("lr", 0.001, 0.0, 1000.0, "peak learning rate"),
        trainer::FloatParam("weight_decay", 0.1, 0.0, 1000.0, "decoupled with adamw, L2 with sgd"),
        trainer::ChoiceParam("decay", {"matrices", "all"}, "matrices",
                             "what weight_decay acts on: matrices leaves norms alone"),
        trainer::IntParam("batch_size", 16, 1, 1'000'000'000, "rows of one step over all ranks")};
  }
  /// The successors are in the row itself.
  [[nodiscard]] DataSpec data() const override {
    return {.inputs = "tokens", .labels = "tokens", .classes = vocab_};
  }
  std::shared_ptr<torch::nn::Module> Build(const trainer::Params& params) override {
    vocab_ = params.Int("vocab");
    net_ = std::make_shared<GptNet>(GptShape{.layers = params.Int("layers"),
                                             .heads = params.Int("heads"),
                                             .width = params.Int("width"),
                                             .context = params.Int("context"),
                                             .vocab = vocab_,
                                             .dropout = params.Float("dropout"),
                                             .recompute = params.Int("recompute") == 1});
    return net_;
  }
  at::Tensor TrainStep(const Batch& batch) override { return net_->LossSum(batch["tokens"]); }
  Means EvalStep(const Batch& batch) override {
    const double nats = net_->LossSum(batch["tokens"]).item<double>();
    const auto rows = static_cast<double>(batch.rows());
    return {{"loss", {nats, rows}}, {"bits_per_token", {nats / std::numbers::ln2, rows}}};
  }
  /// (N, T) to (N, T, V). Of a whole row of a file, context + 1 tokens, the last is only a target.
  at::Tensor Forward(const at::Tensor& inputs) override {
    return net_->Forward(inputs.slice(1, 0, net_->shape().context));
  }
  [[nodiscard]] ServedSpec served() const override {
    return {.task = Task::kTokens, .columns = {"tokens"}};
  }
  [[nodiscard]] std::int64_t tokens_per_row() const override { return net_->shape().context; }
  /// 6 for each weight of a matrix and token, and 12 L C T for the scores and sums of attention (Chowdhery et al.
  /// 2022, arXiv:2204.02311, appendix B, which also counts both halves of the causal square).
  [[nodiscard]] double flops_per_row() const override {
    double weights = 0;
    for (const auto& [name, tensor] : net_->named_parameters().pairs()) {
      if (name != "positions.weight") weights += static_cast<double>(tensor.numel());
    }
    const GptShape& shape = net_->shape();
    const auto attention = static_cast<double>(12 * shape.layers * shape.width * shape.context);
    return (6 * weights + attention) * static_cast<double>(shape.context);
  }

 private:
  std::int64_t vocab_ = 0;
  std::shared_ptr<GptNet> net_;
};

}  // namespace
}  // namespace muster::trials

MUSTER_TRIAL(muster::trials::Gpt)
