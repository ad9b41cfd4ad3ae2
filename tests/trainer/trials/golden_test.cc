#include <gmock/gmock.h>

#include <boost/json.hpp>
#include <cstring>

#include "registry/safetensors.h"
#include "runtime/base/file.h"
#include "trainer/control/console_control.h"
#include "trainer/torch/model_state.h"
#include "trainer/torch/train_loop.h"
#include "trainer/trials/digits/digits_net.h"
#include "trainer/trials/gpt/gpt_net.h"

/// The golden curve: from the same weights, on the same rows, the training loop's losses are those of PyTorch
/// (scripts/golden_training) for 50 steps.

namespace muster::trials {
namespace {

namespace json = boost::json;
using trainer::ElementType;

/// The files of scripts/golden_training.
struct Golden {
  explicit Golden(const std::string& name) {
    const std::string path = std::string(MUSTER_TEST_GOLDEN) + "/" + name;
    about = json::parse(ReadWholeFile(path + ".json").value()).as_object();
    const auto file = registry::ReadSafetensors(ReadWholeFile(path + ".safetensors").value());
    for (const registry::Tensor& tensor : file.value().tensors) {
      const std::string type(registry::ElementTypeName(tensor.type));
      tensors.push_back({tensor.name, type, tensor.shape, tensor.bytes});
    }
    losses = json::value_to<std::vector<double>>(about.at("losses"));
  }
  [[nodiscard]] std::int64_t Size(const char* key) const {
    return about.at("size").as_object().at(key).as_int64();
  }

  json::object about;
  std::vector<trainer::StoredTensor> tensors;
  std::vector<double> losses;
};

/// The "data." columns as one epoch of all steps whose shuffle brings the rows in the order that PyTorch saw: the row at
/// place p of epoch 0 is row p of the file, which begins again after its last.
class GoldenRows final : public trainer::RowSource {
 public:
  GoldenRows(const Golden& golden, std::uint64_t seed)
      : place_of_(golden.losses.size() *
                  static_cast<std::size_t>(golden.about.at("batch").as_int64())) {
    for (const trainer::StoredTensor& tensor : golden.tensors) {
      if (!tensor.name.starts_with("data.")) continue;
      stored_ = static_cast<std::uint64_t>(tensor.shape[0]);
      fields_.push_back({tensor.name.substr(5),
                         ElementType::kU8,
                         {tensor.shape.begin() + 1, tensor.shape.end()}});
      columns_.push_back(tensor.bytes);
    }
    const trainer::Epoch epoch{.seed = seed, .number = 0, .rows = rows()};
    for (std::uint64_t place = 0; place < rows(); ++place) {
      place_of_[trainer::RowAt(epoch, place)] = place;
    }
  }
  [[nodiscard]] std::uint64_t rows() const override { return place_of_.size(); }
  [[nodiscard]] const std::vector<trainer::Field>& fields() const override { return fields_; }
  [[nodiscard]] std::string name() const override { return "golden rows"; }
  Status Read(std::size_t field, std::span<const std::uint64_t> rows,
              std::byte* out) const override {
    const std::size_t bytes = fields_[field].row_bytes();
    for (const std::uint64_t row : rows) {
      std::memcpy(out, &columns_[field][place_of_[row] % stored_ * bytes], bytes);
      out += bytes;
    }
    return Ok();
  }

 private:
  std::uint64_t stored_ = 0;
  std::vector<std::uint64_t> place_of_;
  std::vector<trainer::Field> fields_;
  std::vector<std::vector<std::byte>> columns_;
};

/// Starts from the stored weights and keeps each batch's mean loss.
class GoldenTrial : public ClassifierTrial {
 public:
  explicit GoldenTrial(const Golden& golden) : golden_(golden) {}
  [[nodiscard]] std::string name() const override { return "golden"; }
  [[nodiscard]] std::string about() const override { return "Follows PyTorch."; }
  std::shared_ptr<torch::nn::Module> Build(const trainer::Params&) override {
    const auto net = Make();
    const Status loaded = trainer::LoadTensors(golden_.tensors, trainer::ModelTensors(*net));
    EXPECT_TRUE(loaded.ok()) << loaded.error().message;
    return net;
  }
  at::Tensor TrainStep(const Batch& batch) override {
    at::Tensor loss = LossSum(batch);
    losses.push_back(loss.item<double>() / static_cast<double>(batch.rows()));
    return loss;
  }
  std::vector<double> losses;

 protected:
  virtual std::shared_ptr<torch::nn::Module> Make() = 0;
  virtual at::Tensor LossSum(const Batch& batch) { return ClassifierTrial::TrainStep(batch); }

  const Golden& golden_;
};

class GoldenDigits final : public GoldenTrial {
 public:
  using GoldenTrial::GoldenTrial;
  at::Tensor Forward(const at::Tensor& inputs) override { return net_->Forward(inputs); }

 private:
  std::shared_ptr<torch::nn::Module> Make() override {
    return net_ = std::make_shared<DigitsNet>(golden_.Size("width"), /*dropout=*/0.0, /*shift=*/0);
  }
  std::shared_ptr<DigitsNet> net_;
};

class GoldenGpt final : public GoldenTrial {
 public:
  using GoldenTrial::GoldenTrial;
  [[nodiscard]] DataSpec data() const override { return {.inputs = "tokens", .labels = "tokens"}; }
  at::Tensor Forward(const at::Tensor& inputs) override { return net_->Forward(inputs); }

 private:
  std::shared_ptr<torch::nn::Module> Make() override {
    return net_ = std::make_shared<GptNet>(GptShape{.layers = golden_.Size("layers"),
                                                    .heads = golden_.Size("heads"),
                                                    .width = golden_.Size("width"),
                                                    .context = golden_.Size("context"),
                                                    .vocab = golden_.Size("vocab")});
  }
  at::Tensor LossSum(const Batch& batch) override { return net_->LossSum(batch["tokens"]); }
  std::shared_ptr<GptNet> net_;
};

/// `trial`'s losses in muster's loop are the golden ones.
void ExpectSameCurve(GoldenTrial& trial, const Golden& golden) {
  const std::int64_t seed = 3;
  const GoldenRows rows(golden, seed);
  const json::object given{{"optimizer", "adamw"},
                           {"lr", golden.about.at("lr")},
                           {"weight_decay", golden.about.at("weight_decay")},
                           {"schedule", "constant"},
                           {"warmup_epochs", 0.0},
                           {"batch_size", golden.about.at("batch")},
                           {"epochs", 1}};
  const auto params = trainer::ReadParams(trainer::WithLoopParams({}), given);
  ASSERT_TRUE(params.ok()) << params.error().message;
  const trainer::Gang alone;
  const auto control = trainer::control::MakeConsoleControl(stdout, /*terminal=*/false);
  const auto end = trainer::RunTrainLoop({.trial = trial,
                                          .params = *params,
                                          .train = rows,
                                          .gang = alone,
                                          .control = *control,
                                          .accelerator = trainer::HostAccelerator(),
                                          .clock = SystemClock(),
                                          .seed = seed});
  ASSERT_TRUE(end.ok()) << end.error().message;
  ASSERT_EQ(trial.losses.size(), 50U);
  ASSERT_EQ(golden.losses.size(), 50U);
  for (std::size_t step = 0; step < golden.losses.size(); ++step) {
    EXPECT_NEAR(trial.losses[step], golden.losses[step], 1e-4) << "step " << step;
  }
}

TEST(Golden, DigitsFromTheSameWeights_LossesOfPyTorch) {
  const Golden golden("digits");
  GoldenDigits trial(golden);
  ExpectSameCurve(trial, golden);
}

TEST(Golden, GptFromTheSameWeights_LossesOfPyTorch) {
  const Golden golden("gpt");
  GoldenGpt trial(golden);
  ExpectSameCurve(trial, golden);
}

}  // namespace
}  // namespace muster::trials
