#include "registry/compression.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <limits>
#include <map>

#include "registry/files/compressing_exporter.h"
#include "registry/files/model_directory.h"
#include "registry/files/onnx_file.h"
#include "registry/files/signed_directory.h"
#include "registry/onnx/checker.h"
#include "registry/onnx/numbers.h"
#include "registry/onnx/reader.h"
#include "registry/onnx/writer.h"
#include "registry/openvino/engine.h"
#include "registry/sqlite/model_store.h"
#include "runtime/base/file.h"
#include "runtime/base/random.h"
#include "tests/registry/onnx/compress/models.h"

/// Which form is chosen, and its way through the promoter, on the real engine and store. Only the trial's export and
/// the tracker's artifacts are played.

namespace muster::registry {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using enum CompressionKind;

constexpr std::int64_t kRows = 400;
constexpr std::int64_t kWidth = 64;
constexpr std::int64_t kClasses = 10;

template <typename T>
Tensor Make(std::string name, ElementType type, std::vector<std::int64_t> shape,
            const std::vector<T>& values) {
  Tensor tensor{std::move(name), type, std::move(shape), {}};
  tensor.bytes.resize(values.size() * sizeof(T));
  std::memcpy(tensor.bytes.data(), values.data(), tensor.bytes.size());
  return tensor;
}

TEST(CompressionForms, NamesGoBothWays) {
  for (const char* name :
       {"dynamic", "weight-only", "engine-dynamic", "static", "fp16", "prune=0.25"}) {
    const auto forms = ParseCompressionForms(name);
    ASSERT_TRUE(forms.ok()) << forms.error().message;
    EXPECT_EQ(CompressionFormName(forms->at(0)), name);
  }
  EXPECT_THAT(*ParseCompressionForms("auto"),
              ElementsAre(CompressionForm{kDynamic}, CompressionForm{kWeightOnly},
                          CompressionForm{kEngineDynamic}, CompressionForm{kStatic},
                          CompressionForm{kHalf}));
  for (const char* name :
       {"", "int4", "prune", "prune=", "prune=0", "prune=1", "prune=nan", "prune=0.5x"}) {
    EXPECT_THAT(ParseCompressionForms(name).error().message, HasSubstr("is none of auto")) << name;
  }
}

class Compression : public ::testing::Test {
 protected:
  ~Compression() override { fs::remove_all(home_); }

  /// Random rows; the model knows all labels but every tenth.
  Evaluation Rows(const onnx::Model& model) {
    Random random(5);
    std::vector<float> x(kRows * kWidth);
    for (float& value : x) value = static_cast<float>(random.Normal());
    Evaluation rows;
    rows.inputs = {Make("x", ElementType::kF32, {kRows, kWidth}, x)};
    rows.outputs = {{"y", ElementType::kF32, {kRows, kClasses}}};
    rows.classes = kClasses;
    rows.labels.assign(kRows, 0);
    rows.reference.assign(kRows * kClasses, 0);
    rows.reference = *Logits(*Load(*onnx::Write(model)).value(), rows);
    for (std::int64_t row = 0; row < kRows; ++row) {
      const auto first = rows.reference.begin() + row * kClasses;
      const auto best = std::max_element(first, first + kClasses) - first;
      rows.labels[static_cast<std::size_t>(row)] = row % 10 == 0 ? (best + 1) % kClasses : best;
    }
    return rows;
  }

  Result<std::unique_ptr<InferenceModel>> Load(std::string_view bytes) {
    const auto file = home_ / (std::to_string(loads_++) + ".onnx");
    MUSTER_RETURN_IF_ERROR(WriteFileAtomically(file, bytes));
    return engine_->Load(file, 1);
  }

  Result<CompressionChoice> Choose(std::string_view forms, const CompressionBound& bound,
                                   const Clock& clock = SystemClock()) {
    const auto held_out = SplitRows(rows_, 100);
    return ChooseForm(
        model_, *ParseCompressionForms(forms), held_out->rest, held_out->calibration, bound,
        [&](std::string_view bytes) { return Load(bytes); }, clock);
  }

  static fs::path MakeHome() {
    fs::path home = fs::temp_directory_path() / ("muster-compression-" + RandomHex(8));
    fs::create_directories(home);
    return home;
  }

  const fs::path home_ = MakeHome();  // the rows are computed from files in it
  std::unique_ptr<InferenceEngine> engine_ = MakeOpenVinoEngine();
  int loads_ = 0;
  const onnx::Model model_ = onnx::testing::Mlp();
  const Evaluation rows_ = Rows(model_);
};

TEST_F(Compression, Auto_MeasuresEveryFormAgainstF32) {
  const auto choice = Choose("auto", {.min_agreement = 0.9, .max_drop = 0.05});
  ASSERT_TRUE(choice.ok()) << choice.error().message;
  ASSERT_THAT(choice->table, SizeIs(6));
  EXPECT_EQ(choice->table[0].form, "f32");
  EXPECT_NEAR(choice->table[0].metric, 0.9, 1e-9);
  for (const FormFigures& row : choice->table) {
    EXPECT_THAT(row.refused, IsEmpty()) << row.form;
    EXPECT_GE(row.agreement, 0.9) << row.form;
    EXPECT_GT(row.ms_1, 0) << row.form;
    EXPECT_LE(row.bytes, choice->table[0].bytes) << row.form;
  }
  ASSERT_GT(choice->chosen, 0U);
  const FormFigures& chosen = choice->table[choice->chosen];
  for (std::size_t i = 1; i < choice->table.size(); ++i) {
    EXPECT_LE(chosen.ms_1, 1.1 * choice->table[i].ms_1);
  }
  EXPECT_EQ(static_cast<std::int64_t>(choice->onnx.size()), chosen.bytes);
  const auto made = onnx::Read(choice->onnx);
  ASSERT_TRUE(made.ok());
  EXPECT_TRUE(onnx::Check(*made).ok());
  EXPECT_THAT(TableText(*choice, "accuracy"), HasSubstr("* " + chosen.form));
}

/// Time that goes by as the test says: Logits asks nothing of it, and a median takes kLeastRuns = 5 runs of 100 ms.
class SteppingClock final : public Clock {
 public:
  explicit SteppingClock(const int& loads) : loads_(loads) {}
  [[nodiscard]] MonotonicTime Now() const override {
    if (loads_ != load_) calls_ = 0;
    load_ = loads_;
    const bool batch_of_32 = calls_++ >= 10;
    const auto found = ms.find({load_, batch_of_32});
    now_ += std::chrono::milliseconds(found == ms.end() ? 100 : found->second);
    return now_;
  }
  [[nodiscard]] UnixMillis UnixNow() const override { return 0; }
  std::map<std::pair<int, bool>, int> ms;  ///< (load, batch of 32?) -> a run's time, where not 100

 private:
  const int& loads_;
  mutable int load_ = 0, calls_ = 0;
  mutable MonotonicTime now_{};
};

TEST_F(Compression, Fastest_IsChosen) {
  SteppingClock clock(loads_);
  const int f32 = loads_ + 1;
  clock.ms = {{{f32 + 2, false}, 90}};  // weight-only
  const auto choice = Choose("auto", {.min_agreement = 0.9, .max_drop = 0.05}, clock);
  ASSERT_TRUE(choice.ok()) << choice.error().message;
  EXPECT_EQ(choice->table[choice->chosen].form, "weight-only");
  EXPECT_EQ(choice->table[choice->chosen].ms_1, 90);
}

TEST_F(Compression, AboutAsFastForOneRow_TheFastestForManyIsChosen) {
  SteppingClock clock(loads_);
  const int f32 = loads_ + 1;
  clock.ms = {{{f32 + 1, false}, 95}, {{f32 + 3, true}, 50}};  // dynamic, engine-dynamic
  const auto choice = Choose("auto", {.min_agreement = 0.9, .max_drop = 0.05}, clock);
  ASSERT_TRUE(choice.ok()) << choice.error().message;
  EXPECT_EQ(choice->table[choice->chosen].form, "engine-dynamic");
  EXPECT_EQ(choice->table[choice->chosen].ms_32, 50);
}

TEST_F(Compression, WeightOnly_IsComputedAsTheModelSays) {
  const onnx::Model full = onnx::testing::ModelBuilder("wide", 7)
                               .Input("x", onnx::DataType::kFloat, {256})
                               .Weight("w", {256, 32}, 0.1)
                               .Node("MatMul", {"x", "w"}, "y")
                               .Output("y", {32})
                               .Build();
  const auto built = BuildForm(full, {kWeightOnly}, rows_, {});
  ASSERT_TRUE(built.ok()) << built.error().message;
  const auto constant = [&](std::size_t i) { return built->model.graph.initializers.at(i); };
  const auto levels = *onnx::IntsOf(constant(0));
  const auto scales = *onnx::FloatsOf(constant(1));
  Random random(8);
  std::vector<float> x(256);
  for (float& value : x) value = static_cast<float>(random.Normal());
  std::vector<double> wanted(32, 0);
  for (std::size_t k = 0; k < 256; ++k) {
    for (std::size_t n = 0; n < 32; ++n) {
      wanted[n] += double{x[k]} * static_cast<double>(levels[k * 32 + n]) * double{scales[n]};
    }
  }
  const auto model = Load(*onnx::Write(built->model));
  ASSERT_TRUE(model.ok()) << model.error().message;
  const auto outputs = (*model)->Infer({Make("x", ElementType::kF32, {1, 256}, x)});
  ASSERT_TRUE(outputs.ok()) << outputs.error().message;
  std::vector<float> y(32);
  std::memcpy(y.data(), outputs->at(0).bytes.data(), 32 * sizeof(float));
  // OpenVINO's own choice, int8 activations, is off by 1e-2.
  for (std::size_t n = 0; n < 32; ++n) EXPECT_NEAR(y[n], wanted[n], 1e-5) << n;
}

TEST_F(Compression, EngineDynamic_SaysSoInTheMetadataThatTheEngineReads) {
  auto built = BuildForm(model_, {kEngineDynamic}, rows_, {});
  ASSERT_TRUE(built.ok()) << built.error().message;
  std::string& group = built->model.metadata.at(std::string(kActivationGroupKey));
  EXPECT_TRUE(Load(*onnx::Write(built->model)).ok());
  for (const char* wrong : {"0", "-1", "many", "128 "}) {
    group = wrong;
    EXPECT_THAT(Load(*onnx::Write(built->model)).error().message,
                HasSubstr("'" + group + "'; wanted a number above 0"));
  }
}

TEST_F(Compression, NoneHoldsTheBound_NoneIsChosenAndEachSaysWhy) {
  const auto pruned = Choose("prune=0.9", {});
  ASSERT_TRUE(pruned.ok()) << pruned.error().message;
  EXPECT_EQ(pruned->chosen, 0U);
  EXPECT_THAT(pruned->table[1].refused, HasSubstr("% of decisions, wanted 99.00 %"));
  const auto dropped = Choose("prune=0.9", {.min_agreement = 0, .max_drop = 0.1});
  EXPECT_THAT(dropped->table[1].refused, HasSubstr("accuracy is worse by 0."));
  const auto unknown = Choose("dynamic", {.metric = "beauty"});
  EXPECT_THAT(unknown.error().message, HasSubstr("beauty"));
}

TEST_F(Compression, SplitRows_KeepsAllOfBothHalves) {
  const auto held_out = SplitRows(rows_, 100);
  ASSERT_TRUE(held_out.ok());
  EXPECT_EQ(held_out->calibration.rows(), 100);
  EXPECT_EQ(held_out->rest.rows(), 300);
  EXPECT_EQ(held_out->rest.labels.front(), rows_.labels[100]);
  EXPECT_EQ(held_out->rest.reference.back(), rows_.reference.back());
  EXPECT_EQ(held_out->rest.inputs[0].bytes.size(), 300U * kWidth * 4);
  for (const std::int64_t wrong : {std::int64_t{0}, kRows, kRows + 1}) {
    EXPECT_THAT(SplitRows(rows_, wrong).error().message, HasSubstr("wanted 1 to 399"));
  }
}

/// What a trial's program leaves.
class MlpExporter final : public ModelExporter {
 public:
  MlpExporter(const onnx::Model& model, const Evaluation& rows, const OnnxFileOptions& file = {})
      : model_(model), rows_(rows), file_(file) {}
  Status Export(const ExportRequest& request) override {
    MUSTER_RETURN_IF_ERROR(WriteOnnxFile(model_, request.out_dir / "model.onnx", file_));
    MUSTER_RETURN_IF_ERROR(WriteFileAtomically(
        request.out_dir / "evaluation.safetensors",
        WriteSafetensors({rows_.inputs[0], Make("labels", ElementType::kI64, {kRows}, rows_.labels),
                          Make("reference", ElementType::kF32, {kRows, kClasses}, rows_.reference)},
                         {})));
    ExportInfo info{17,
                    Task::kClasses,
                    {{"x", ElementType::kF32, {-1, kWidth}}},
                    {{"y", ElementType::kF32, {-1, kClasses}}},
                    {},
                    {},
                    {}};
    return WriteFileAtomically(request.out_dir / "export.json", ToJson(info));
  }

 private:
  const onnx::Model& model_;
  Evaluation rows_;
  OnnxFileOptions file_;
};

class CountedArtifacts final : public ArtifactSink {
 public:
  std::map<std::string, int> puts;  ///< run/path -> how often it was written

  Status Put(const std::string& run, const std::string& path, const fs::path&) override {
    ++puts[run + "/" + path];
    return Ok();
  }
  Result<std::string> Source(const std::string& run, const std::string& path) override {
    return "mlflow-artifacts:/1/" + run + "/artifacts/" + path;
  }
};

class CompressedPromotion : public Compression {
 protected:
  void SetUp() override {
    auto store = SqliteModelStore::Open(home_ / "registry.db", SystemClock());
    ASSERT_TRUE(store.ok()) << store.error().message;
    store_ = std::move(store).value();
    // Format 1 names its one input so.
    rows_of_trial_.inputs[0].name = "inputs";
    ASSERT_TRUE(WriteFileAtomically(home_ / "source.onnx", *onnx::Write(model_)).ok());
  }
  PromotionResult Run(std::string id, const std::string& form, double agreement = 0.9) {
    MlpExporter inner(model_, rows_of_trial_);
    CompressingExporter exporter(inner, *engine_, SystemClock(),
                                 {.forms = *ParseCompressionForms(form),
                                  .bound = {.min_agreement = 0.9, .max_drop = 0.5},
                                  .source = home_ / "source.onnx"});
    Promoter promoter({*store_, *engine_, exporter, artifacts_, files_, SystemClock()});
    Candidate candidate;
    candidate.request_id = std::move(id);
    candidate.lineage = {.sweep = "s", .trial = "s/1", .run_id = "run", .checkpoint = "c"};
    candidate.model.name = "mlp";
    candidate.model.promote = "";
    candidate.model.gates = {{.metric = "test/accuracy", .at_least = 0.5},
                             {.metric = "test/accuracy",
                              .compressed = wire::CompressedGate{.agreement_at_least = agreement,
                                                                 .drop_at_most = 0.05}}};
    candidate.compressed_from = 7;
    auto result = promoter.Run(candidate);
    EXPECT_TRUE(result.ok()) << (result.ok() ? "" : result.error().message);
    return result.ok() ? *result : PromotionResult{};
  }

  Evaluation rows_of_trial_ = rows_;
  std::unique_ptr<ModelStore> store_;
  CountedArtifacts artifacts_;
  ModelDirectory files_{{home_ / "models", home_ / "work", home_ / "keys/model-signing.pem"}};
};

TEST_F(CompressedPromotion, GoodForm_IsAVersionOfItsOwnWithoutAlias) {
  const auto result = Run("c1", "dynamic");
  ASSERT_EQ(result.version, 1) << result.reason;
  EXPECT_FALSE(result.promoted);
  ASSERT_THAT(result.verdicts, SizeIs(2)) << "no parity with f32 is asked of int8";
  EXPECT_THAT(result.verdicts[1].detail, HasSubstr("300 rows")) << "100 of 400 calibrated";
  const auto version = store_->GetVersion("mlp", 1);
  ASSERT_TRUE(version.ok());
  const auto tag = [&](std::string_view key) {
    const auto found = std::ranges::find(version->tags, key, &Tag::key);
    return found == version->tags.end() ? "" : found->value;
  };
  EXPECT_EQ(tag("compressed_from"), "7");
  EXPECT_EQ(tag("form"), "dynamic");
  EXPECT_THAT(version->aliases, IsEmpty());
  const auto model = onnx::Read(*ReadWholeFile(home_ / "models/mlp/1/model.onnx"));
  ASSERT_TRUE(model.ok());
  EXPECT_TRUE(std::ranges::any_of(
      model->graph.nodes, [](const onnx::Node& node) { return node.op_type == "MatMulInteger"; }));
  EXPECT_EQ(Run("c1", "dynamic").version, 1) << "the same request makes no second version";
  EXPECT_EQ(store_->GetModel("mlp")->latest_versions.at(0).version, 1);
}

TEST_F(CompressedPromotion, TwoFormsOfOneRun_DoNotLieInEachOthersPlace) {
  ASSERT_EQ(Run("c1", "dynamic").version, 1);
  ASSERT_EQ(Run("c2", "fp16").version, 2);
  const std::string full = *artifacts_.Source("run", "model");
  EXPECT_NE(store_->GetVersion("mlp", 1)->source, full);
  EXPECT_NE(store_->GetVersion("mlp", 1)->source, store_->GetVersion("mlp", 2)->source);
  for (const auto& [path, times] : artifacts_.puts) EXPECT_EQ(times, 1) << path;
}

TEST_F(CompressedPromotion, WeightsInAFileOfTheirOwn_ArePublishedAndSigned) {
  MlpExporter exporter(model_, rows_of_trial_, {.inline_bytes_max = 0, .external_bytes_min = 64});
  Promoter promoter({*store_, *engine_, exporter, artifacts_, files_, SystemClock()});
  Candidate candidate;
  candidate.request_id = "w1";
  candidate.lineage = {.sweep = "s", .trial = "s/1", .run_id = "run", .checkpoint = "c"};
  candidate.model.name = "mlp";
  candidate.model.gates = {{.metric = "test/accuracy", .at_least = 0.5}};
  const auto result = promoter.Run(candidate);
  ASSERT_TRUE(result.ok()) << result.error().message;
  ASSERT_EQ(result->version, 1) << result->reason;
  const fs::path version = home_ / "models/mlp/1";
  EXPECT_EQ(*onnx::Write(*ReadOnnxFile(version / "model.onnx")), *onnx::Write(model_));
  EXPECT_EQ(artifacts_.puts["run/model/model.onnx.data"], 1);
  const auto key = ModelKey::LoadOrMake(home_ / "keys/model-signing.pem");
  EXPECT_THAT(*VerifyDirectory(version, key->public_key_pem()), IsEmpty());
  ASSERT_TRUE(OverwriteFile(version / "model.onnx.data", "x").ok());
  EXPECT_THAT(*VerifyDirectory(version, key->public_key_pem()),
              ElementsAre(HasSubstr("model.onnx.data")));
}

TEST_F(CompressedPromotion, WorseForm_IsRefusedWithTheFigures) {
  const auto gate = Run("c2", "prune=0.1", 0.9999);
  EXPECT_EQ(gate.version, 0);
  EXPECT_THAT(gate.reason, HasSubstr("refused by compressed agrees in 0.9999"));
  EXPECT_THAT(gate.reason, HasSubstr("that of the full version 0.9"));
  const auto measured = Run("c3", "prune=0.95");
  EXPECT_EQ(measured.version, 0);
  EXPECT_THAT(measured.reason, HasSubstr("no compressed form holds the bound"));
  EXPECT_THAT(measured.reason, HasSubstr("prune=0.95"));
  EXPECT_FALSE(store_->GetModel("mlp").ok());
}

}  // namespace
}  // namespace muster::registry
