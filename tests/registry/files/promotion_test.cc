#include <gmock/gmock.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <optional>

#include "registry/files/model_directory.h"
#include "registry/files/signed_directory.h"
#include "registry/openvino/engine.h"
#include "registry/promoter.h"
#include "registry/safetensors.h"
#include "registry/sqlite/model_store.h"
#include "runtime/base/file.h"
#include "runtime/base/random.h"
#include "tests/support/tiny_onnx.h"

/// The promoter on its real parts: SQLite, directories, OpenVINO. Only the trial's export and the tracker's
/// artifacts are played here. The published directory is then read by MLflow and ONNX Runtime
/// (load_package.py) and held against numpy and cryptography (check_package.py).

namespace muster::registry {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::SizeIs;

constexpr std::int64_t kRows = 40;
constexpr std::int64_t kClasses = 10;
constexpr const char* kDigest = "abababababababababababababababababababababababababababababababab";

template <typename T>
Tensor Make(std::string name, ElementType type, std::vector<std::int64_t> shape,
            const std::vector<T>& values) {
  Tensor tensor{std::move(name), type, std::move(shape), {}};
  tensor.bytes.resize(values.size() * sizeof(T));
  std::memcpy(tensor.bytes.data(), values.data(), tensor.bytes.size());
  return tensor;
}

/// Exports a network of random weights ("checkpoint" is its seed) with labels of which it knows `right` of 40.
class RandomExporter final : public ModelExporter {
 public:
  explicit RandomExporter(InferenceEngine& engine) : engine_(engine) {}

  Status Export(const ExportRequest& request) override {
    const auto seed = static_cast<std::uint32_t>(std::stoul(request.checkpoint.string()));
    const auto onnx = request.out_dir / "model.onnx";
    testing::DigitsModel(seed).Write(onnx);
    Random random(7);  // the same rows for every candidate
    std::vector<float> images(kRows * 64);
    for (float& pixel : images) pixel = static_cast<float>(random.Uniform());
    Evaluation evaluation;
    evaluation.inputs = {Make("inputs", ElementType::kF32, {kRows, 1, 8, 8}, images)};
    evaluation.outputs = {{"", ElementType::kF32, {kRows, kClasses}}};
    evaluation.labels.assign(kRows, 0);
    evaluation.classes = kClasses;
    MUSTER_ASSIGN_OR_RETURN(const auto model, engine_.Load(onnx, 1));
    MUSTER_ASSIGN_OR_RETURN(auto logits, Logits(*model, evaluation));
    for (std::int64_t row = 0; row < kRows; ++row) {
      const auto first = logits.begin() + row * kClasses;
      const auto best = std::max_element(first, first + kClasses) - first;
      // Every network has labels of its own here, so that any other knows next to none of them.
      evaluation.labels[static_cast<std::size_t>(row)] = row < right ? best : (best + 1) % kClasses;
    }
    logits[0] += reference_error;
    const std::string bytes = WriteSafetensors(
        {evaluation.inputs[0], Make("labels", ElementType::kI64, {kRows}, evaluation.labels),
         Make("reference", ElementType::kF32, {kRows, kClasses}, logits)});
    MUSTER_RETURN_IF_ERROR(WriteFileAtomically(request.out_dir / "evaluation.safetensors", bytes));
    const ExportInfo info{.opset = 17,
                          .inputs = model->inputs(),
                          .outputs = model->outputs(),
                          .metrics = {{"test/accuracy", static_cast<double>(right) / kRows}}};
    return WriteFileAtomically(request.out_dir / "export.json", ToJson(info));
  }
  int right = kRows;
  float reference_error = 0;

 private:
  InferenceEngine& engine_;
};

class FolderArtifacts final : public ArtifactSink {
 public:
  explicit FolderArtifacts(fs::path root) : root_(std::move(root)) {}
  Status Put(const std::string& run, const std::string& path, const fs::path& file) override {
    const auto target = root_ / run / path;
    fs::create_directories(target.parent_path());
    fs::copy_file(file, target, fs::copy_options::overwrite_existing);
    return Ok();
  }
  Result<std::string> Source(const std::string& run, const std::string& path) override {
    return "mlflow-artifacts:/1/" + run + "/artifacts/" + path;
  }

 private:
  fs::path root_;
};

class Promotion : public ::testing::Test {
 protected:
  void SetUp() override {
    fs::create_directories(home_);
    auto store = SqliteModelStore::Open(home_ / "registry.db", SystemClock());
    ASSERT_TRUE(store.ok()) << store.error().message;
    store_ = std::move(store).value();
    promoter_.emplace(
        Promoter::Parts{*store_, *engine_, exporter_, artifacts_, files_, SystemClock()});
  }
  void TearDown() override {
    promoter_.reset();
    store_.reset();
    fs::remove_all(home_);
  }

  PromotionResult Run(std::string id, std::string seed) {
    Candidate candidate;
    candidate.request_id = std::move(id);
    candidate.lineage = {.sweep = "s", .trial = "s/1", .run_id = "run", .checkpoint = seed};
    candidate.lineage.params = {{"lr", 0.1}};
    candidate.lineage.data = {{"test", "test.h5"}, {"train", "train.h5"}};
    candidate.lineage.data_digests = {{"test", std::string("sha256:") + kDigest}};
    candidate.model.name = "digits";
    candidate.model.gates = {{.metric = "test/accuracy", .at_least = 0.5},
                             {.metric = "test/accuracy", .better_than = "champion"},
                             {.parity = true, .tolerance = 1e-4}};
    auto result = promoter_->Run(candidate);
    EXPECT_TRUE(result.ok()) << (result.ok() ? "" : result.error().message);
    return result.ok() ? *result : PromotionResult{};
  }

  fs::path home_ = fs::temp_directory_path() / ("muster-promotion-" + RandomHex(8));
  std::unique_ptr<InferenceEngine> engine_ = MakeOpenVinoEngine();
  std::unique_ptr<ModelStore> store_;
  RandomExporter exporter_{*engine_};
  FolderArtifacts artifacts_{home_ / "artifacts"};
  ModelDirectory files_{{home_ / "models", home_ / "work", home_ / "keys/model-signing.pem"}};
  std::optional<Promoter> promoter_;
};

TEST_F(Promotion, GoodCandidate_IsPublishedWhole) {
  exporter_.right = 36;
  const auto result = Run("p1", "1");
  EXPECT_TRUE(result.promoted) << result.reason;
  EXPECT_EQ(result.verdicts.at(0).seen, 0.9);
  const auto version = home_ / "models/digits/1";
  for (const auto* file :
       {"model.onnx", "MLmodel", "requirements.txt", "conda.yaml", "python_env.yaml", "card.json",
        "README.md", "ml-bom.json", "provenance.json", "baseline.json", "model.sig", "config.pbtxt",
        "../config.pbtxt"}) {
    EXPECT_TRUE(fs::exists(version / file)) << file;
  }
  const auto key = ReadWholeFile(home_ / "keys/model-signing.pub");
  EXPECT_THAT(*VerifyDirectory(version, *key), SizeIs(0));
  EXPECT_THAT(*VerifyDirectory(home_ / "artifacts/run/model", *key), SizeIs(0));
  EXPECT_TRUE(fs::is_empty(home_ / "work")) << "the workspace is removed";
  EXPECT_THAT(*ReadWholeFile(version / "card.json"), HasSubstr(R"("params":{"lr":1E-1})"));
  EXPECT_THAT(*ReadWholeFile(version / "../config.pbtxt"), HasSubstr("dims: [ 1, 8, 8 ]"));
}

TEST_F(Promotion, WorseAndWrongCandidates_AreRefused) {
  exporter_.right = 36;
  ASSERT_TRUE(Run("p1", "1").promoted);
  const auto same = Run("p2", "1");
  EXPECT_FALSE(same.promoted);
  EXPECT_THAT(same.reason, HasSubstr("refused by better than champion"));
  EXPECT_EQ(same.verdicts.at(1).seen, same.verdicts.at(1).wanted) << "the same network, a tie";
  exporter_.reference_error = 0.5F;
  const auto wrong = Run("p3", "2");
  EXPECT_THAT(wrong.reason, HasSubstr("refused by parity"));
  EXPECT_NEAR(wrong.verdicts.at(2).seen, 0.5, 1e-4);
  exporter_.reference_error = 0;
  const auto better = Run("p4", "2");
  EXPECT_TRUE(better.promoted) << better.reason;
  EXPECT_EQ(better.version, 2);
  EXPECT_LT(better.verdicts.at(1).wanted, 0.5) << "random weights do not know another's labels";
  EXPECT_THAT(store_->SearchVersions({"", {}, 10, ""})->items, SizeIs(2));
  EXPECT_TRUE(store_->VerifyAudit().ok());
}

TEST_F(Promotion, UselessCandidate_GetsNoVersion) {
  exporter_.right = 0;
  EXPECT_THAT(Run("p1", "1").reason, HasSubstr("refused by test/accuracy >= 0.5"));
  EXPECT_FALSE(fs::exists(home_ / "models/digits/1"));
}

TEST_F(Promotion, PublishTwice_KeepsTheFirst) {
  const auto stage = [&](std::string text) {
    const auto directory = home_ / "work/stage";
    EXPECT_TRUE(files_.Write(directory, {{"model.onnx", std::move(text), {}}}).ok());
    return directory;
  };
  ASSERT_TRUE(files_.Publish(stage("first"), "m", 3, "config").ok());
  ASSERT_TRUE(files_.Publish(stage("second"), "m", 3, "config").ok());
  EXPECT_EQ(*ReadWholeFile(home_ / "models/m/3/model.onnx"), "first");
  EXPECT_EQ(*files_.OnnxFile({.name = "m", .version = 3}), home_ / "models/m/3/model.onnx");
  const auto missing = files_.OnnxFile({.name = "m", .version = 4});
  EXPECT_THAT(missing.error().message, HasSubstr("version 4 of 'm' was not published here"));
}

/// Leaves a package where the Python readers find it.
TEST_F(Promotion, PackageForPython_IsWritten) {
  const char* target = std::getenv("MUSTER_TEST_PACKAGE");
  if (target == nullptr) GTEST_SKIP() << "MUSTER_TEST_PACKAGE names no folder";
  ASSERT_TRUE(Run("p1", "1").promoted);
  const auto bundle = *files_.Workspace("again");
  ASSERT_TRUE(exporter_.Export({.program = "", .checkpoint = "1", .out_dir = bundle}).ok());
  fs::remove_all(target);
  fs::create_directories(target);
  fs::copy(home_ / "models", fs::path(target) / "models", fs::copy_options::recursive);
  fs::copy_file(home_ / "keys/model-signing.pub", fs::path(target) / "key.pub");
  fs::copy_file(bundle / "evaluation.safetensors", fs::path(target) / "evaluation.safetensors");
}

}  // namespace
}  // namespace muster::registry
