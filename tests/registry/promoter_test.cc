#include "registry/promoter.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <cstring>
#include <functional>
#include <map>
#include <numeric>
#include <set>
#include <utility>

#include "registry/memory_model_store.h"
#include "runtime/wire/codec.h"

/// The promoter on the store in memory and on ports that fail when told to. A model here is a number k: it is
/// right on the first k of ten rows.

namespace muster::registry {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

constexpr std::int64_t kRows = 10;

/// Fails the n-th step that anything takes, before or after its effect.
struct Fault {
  int countdown = -1;  ///< steps until the fault; below 0: none
  bool after = false;
  int steps = 0;

  /// `effect` as one step.
  template <typename Effect>
  auto Step(Effect effect) -> std::invoke_result_t<Effect> {
    ++steps;
    const bool fails = countdown == 0;
    if (countdown >= 0) --countdown;
    if (!fails) return effect();
    if (after) (void)effect();
    return Unavailable("killed");
  }
};

std::vector<float> LogitsOf(int skill) {
  std::vector<float> logits;
  for (std::int64_t row = 0; row < kRows; ++row) {
    logits.push_back(row < skill ? 1 : 0);
    logits.push_back(row < skill ? 0 : 1);
  }
  return logits;
}

template <typename T>
std::vector<std::byte> Bytes(const std::vector<T>& values) {
  std::vector<std::byte> bytes(values.size() * sizeof(T));
  std::memcpy(bytes.data(), values.data(), bytes.size());
  return bytes;
}

class FakeModel final : public InferenceModel {
 public:
  explicit FakeModel(int skill) : skill_(skill) {}
  const std::vector<TensorSpec>& inputs() const override { return inputs_; }
  const std::vector<TensorSpec>& outputs() const override { return outputs_; }
  Result<std::vector<Tensor>> Infer(const std::vector<Tensor>& inputs) override {
    const std::int64_t rows = inputs.at(0).shape.at(0);
    float first = 0;
    std::memcpy(&first, inputs.at(0).bytes.data(), sizeof first);
    std::vector<float> logits = LogitsOf(skill_);
    logits.erase(logits.begin(), logits.begin() + 2 * static_cast<std::ptrdiff_t>(first));
    logits.resize(2 * static_cast<std::size_t>(rows));
    return std::vector<Tensor>{{"y", ElementType::kF32, {rows, 2}, Bytes(logits)}};
  }

 private:
  int skill_;
  std::vector<TensorSpec> inputs_ = {{"x", ElementType::kF32, {-1, 1}}};
  std::vector<TensorSpec> outputs_ = {{"y", ElementType::kF32, {-1, 2}}};
};

/// Exporter, engine, artifacts and files at once, sharing what is "on disk".
class FakeWorld final : public ModelExporter,
                        public InferenceEngine,
                        public ArtifactSink,
                        public ModelFiles {
 public:
  explicit FakeWorld(Fault& fault) : fault_(fault) {}

  Status Export(const ExportRequest& request) override {
    return fault_.Step([&]() -> Status {
      ++exports;
      if (!export_error.ok()) return export_error;
      disk[request.out_dir / "model.onnx"] = std::stoi(request.checkpoint.string());
      return Ok();
    });
  }
  Result<std::unique_ptr<InferenceModel>> Load(const std::filesystem::path& file, int) override {
    if (file == broken) return load_error.error();
    if (!disk.contains(file)) return NotFound(file.string());
    return std::unique_ptr<InferenceModel>(new FakeModel(disk.at(file)));
  }
  std::string name() const override { return "fake"; }
  Status Put(const std::string& run, const std::string& path,
             const std::filesystem::path& file) override {
    return fault_.Step([&]() -> Status {
      EXPECT_TRUE(staged.contains(file)) << file;
      artifacts.insert(run + "/" + path);
      return Ok();
    });
  }
  Result<std::string> Source(const std::string& run, const std::string& path) override {
    return "mlflow-artifacts:/1/" + run + "/artifacts/" + path;
  }
  Result<std::filesystem::path> Workspace(const std::string& id) override {
    staged.clear();
    return std::filesystem::path("/work") / id;
  }
  void Discard(const std::string&) override { staged.clear(); }
  Result<ExportBundle> ReadBundle(const std::filesystem::path& directory) override {
    ExportBundle bundle;
    bundle.directory = directory;
    bundle.onnx_bytes = 900;
    bundle.info.opset = 17;
    bundle.info.inputs = {{"x", ElementType::kF32, {-1, 1}}};
    bundle.info.outputs = {{"y", ElementType::kF32, {-1, 2}}};
    std::vector<float> numbers(kRows);
    std::iota(numbers.begin(), numbers.end(), 0.0F);
    bundle.evaluation.inputs = {{"inputs", ElementType::kF32, {kRows, 1}, Bytes(numbers)}};
    bundle.evaluation.outputs = {{"", ElementType::kF32, {kRows, 2}}};
    bundle.evaluation.labels.assign(kRows, 0);
    bundle.evaluation.classes = 2;
    bundle.evaluation.reference = LogitsOf(disk.at(bundle.onnx_file()));
    return bundle;
  }
  Status Write(const std::filesystem::path& directory,
               const std::vector<PackageFile>& files) override {
    return fault_.Step([&]() -> Status {
      for (const auto& file : files) staged.insert(directory / file.path);
      skill_of_stage = disk.at(files.at(0).copy_from);
      return Ok();
    });
  }
  Status Sign(const std::filesystem::path& directory, const std::string&) override {
    return fault_.Step([&]() -> Status {
      staged.insert(directory / "model.sig");
      return Ok();
    });
  }
  Status Publish(const std::filesystem::path&, const std::string& model, std::int64_t version,
                 const std::string&) override {
    return fault_.Step([&]() -> Status {
      disk.emplace("/models/" + model + "/" + std::to_string(version) + "/model.onnx",
                   skill_of_stage);
      return Ok();
    });
  }
  Result<std::filesystem::path> OnnxFile(const ModelVersion& version) override {
    return std::filesystem::path("/models") / version.name / std::to_string(version.version) /
           "model.onnx";
  }

  std::map<std::filesystem::path, int> disk;
  std::set<std::filesystem::path> staged;
  std::set<std::string> artifacts;
  Status export_error, load_error;
  std::filesystem::path broken;  ///< whose Load answers load_error
  int exports = 0;

 private:
  Fault& fault_;
  int skill_of_stage = 0;
};

/// Its writes are steps, and somebody else may act just before a promotion.
class FaultyStore final : public MemoryModelStore {
 public:
  FaultyStore(const Clock& clock, Fault& fault) : MemoryModelStore(clock), fault_(fault) {}

  Result<RegisteredModel> CreateModel(std::string_view name, std::string_view description,
                                      const std::vector<Tag>& tags, const Actor& actor) override {
    return fault_.Step(
        [&] { return MemoryModelStore::CreateModel(name, description, tags, actor); });
  }
  Result<ModelVersion> CreateVersion(const NewVersion& version, const Actor& actor) override {
    return fault_.Step([&] { return MemoryModelStore::CreateVersion(version, actor); });
  }
  Status RecordGates(std::string_view name, std::int64_t version,
                     const std::vector<GateVerdict>& verdicts, const Actor& actor) override {
    return fault_.Step(
        [&] { return MemoryModelStore::RecordGates(name, version, verdicts, actor); });
  }
  Status Promote(const Promotion& promotion, const Actor& actor) override {
    if (before_promote) std::exchange(before_promote, nullptr)();
    return fault_.Step([&] { return MemoryModelStore::Promote(promotion, actor); });
  }
  Result<std::vector<AliasChange>> AliasHistory(std::string_view name) override {
    auto history = MemoryModelStore::AliasHistory(name);
    if (after_history) std::exchange(after_history, nullptr)();
    return history;
  }
  Status AppendAudit(std::string_view action, std::string_view name, std::int64_t version,
                     std::string_view detail_json, const Actor& actor,
                     std::string_view request_id) override {
    if (before_audit && action == "promotion.decision") std::exchange(before_audit, nullptr)();
    return fault_.Step([&] {
      return MemoryModelStore::AppendAudit(action, name, version, detail_json, actor, request_id);
    });
  }
  std::function<void()> before_promote, before_audit, after_history;

 private:
  Fault& fault_;
};

Candidate MakeCandidate(std::string request_id, int skill) {
  Candidate candidate;
  candidate.request_id = std::move(request_id);
  candidate.lineage = {
      .sweep = "s", .trial = "s/3", .run_id = "run3", .checkpoint = std::to_string(skill)};
  candidate.program = "digits";
  candidate.model.name = "digits";
  candidate.model.gates = {{.metric = "test/accuracy", .at_least = 0.5},
                           {.metric = "test/accuracy", .better_than = "champion"},
                           {.parity = true}};
  return candidate;
}

struct World {
  PromotionResult Run(const Candidate& candidate) {
    auto result = promoter.Run(candidate);
    EXPECT_TRUE(result.ok()) << (result.ok() ? "" : result.error().message);
    return result.ok() ? *result : PromotionResult{};
  }
  std::int64_t Champion() {
    const auto found = store.GetByAlias("digits", "champion");
    return found.ok() ? found->version : 0;
  }
  std::size_t Versions() { return store.SearchVersions({"", {}, 100, ""})->items.size(); }
  std::vector<std::string> Actions() {
    std::vector<std::string> actions;
    const auto audit = store.Audit("", 0, 1'000);
    for (const auto& entry : *audit) actions.push_back(entry.action);
    return actions;
  }

  Fault fault;
  FakeClock clock;
  FaultyStore store{clock, fault};
  FakeWorld world{fault};
  Promoter promoter{{store, world, world, world, world, clock}};
};

TEST(Promoter, FirstGoodModel_BecomesChampion) {
  World w;
  const auto result = w.Run(MakeCandidate("p1", 8));
  EXPECT_TRUE(result.promoted);
  EXPECT_EQ(result.version, 1);
  EXPECT_EQ(result.alias, "champion");
  EXPECT_EQ(result.reason, "3 of 3 gates passed");
  ASSERT_THAT(result.verdicts, SizeIs(3));
  EXPECT_EQ(w.Champion(), 1);
  EXPECT_THAT(*w.store.Gates("digits", 1), SizeIs(3));
  EXPECT_THAT(w.Actions(), ElementsAre("model.create", "version.create", "version.lineage",
                                       "gates.record", "alias.promote", "promotion.decision"));
  const auto version = w.store.GetVersion("digits", 1);
  EXPECT_EQ(version->source, "mlflow-artifacts:/1/run3/artifacts/model");
  EXPECT_EQ(version->run_id, "run3");
  EXPECT_TRUE(w.world.artifacts.contains("run3/model/MLmodel"));
  EXPECT_TRUE(w.world.artifacts.contains("run3/model/model.onnx"));
}

TEST(Promoter, NotBetter_MakesNoVersionButWritesTheDecision) {
  World w;
  w.Run(MakeCandidate("p1", 8));
  for (const int skill : {8, 7, 3}) {
    const auto result = w.Run(MakeCandidate("again" + std::to_string(skill), skill));
    EXPECT_FALSE(result.promoted);
    EXPECT_EQ(result.version, 0);
    EXPECT_THAT(result.reason, HasSubstr("refused by better than champion on test/accuracy"));
  }
  EXPECT_EQ(w.Champion(), 1);
  EXPECT_EQ(w.Versions(), 1u);
  const auto decision = w.store.FindAuditByRequest("again3");
  ASSERT_TRUE(decision.ok());
  const auto verdicts = PromotionResultFromJson(*wire::ParseJson(decision->detail_json))->verdicts;
  EXPECT_EQ(verdicts.at(0).gate, "test/accuracy >= 0.5");
  EXPECT_FALSE(verdicts.at(0).passed);
}

TEST(Promoter, GatesOfTheModelsFile_AreJudgedBesideTheSweeps) {
  World w;
  const auto set = [&](const std::vector<wire::GateSpec>& gates) {
    return w.store.SetGateFile("digits", "text", wire::SerializeJson(wire::ToJson(gates)), {}).ok();
  };
  ASSERT_TRUE(w.store.CreateModel("digits", "", {}, {}).ok());
  ASSERT_TRUE(set({{.metric = "test/accuracy", .at_least = 0.9}, {.size_bytes = 1'000}}));
  const auto refused = w.Run(MakeCandidate("p1", 8));
  EXPECT_FALSE(refused.promoted);
  ASSERT_THAT(refused.verdicts, SizeIs(5));
  EXPECT_EQ(refused.verdicts[0].gate, "test/accuracy >= 0.9");
  EXPECT_EQ(refused.verdicts[1].detail, "the exported file has 900 bytes");
  EXPECT_TRUE(refused.verdicts[1].passed);
  EXPECT_TRUE(w.Run(MakeCandidate("p2", 9)).promoted);
  ASSERT_TRUE(set({{.metric = "loss", .better_than = "staging"}}));
  EXPECT_THAT(w.Run(MakeCandidate("p3", 10)).reason,
              HasSubstr("the first 1 gates are of the model's gate file, the others of the sweep: "
                        "gates[2].better_than: 'champion'"));
  ASSERT_TRUE(set({}));
  EXPECT_TRUE(w.Run(MakeCandidate("p4", 10)).promoted);
}

TEST(Promoter, Better_TakesTheAliasOver) {
  World w;
  w.Run(MakeCandidate("p1", 8));
  EXPECT_TRUE(w.Run(MakeCandidate("p2", 9)).promoted);
  EXPECT_EQ(w.Champion(), 2);
  EXPECT_EQ(*Rollback(w.store, "digits", "champion", {"ada", "bad"}), 1);
  EXPECT_EQ(w.Champion(), 1);
  EXPECT_FALSE(Rollback(w.store, "digits", "champion", {"ada", ""}).ok());
}

TEST(Promoter, RunAgain_AnswersTheSameAndDoesNothing) {
  World w;
  const auto first = w.Run(MakeCandidate("p1", 8));
  const auto actions = w.Actions();
  const auto again = w.Run(MakeCandidate("p1", 8));
  EXPECT_EQ(wire::SerializeJson(ToJson(again)), wire::SerializeJson(ToJson(first)));
  EXPECT_EQ(w.Actions(), actions);
  EXPECT_EQ(w.world.exports, 1);
}

TEST(Promoter, Approvals_LeaveTheAliasAlone) {
  World w;
  Candidate candidate = MakeCandidate("p1", 8);
  candidate.model.approvals = 2;
  const auto result = w.Run(candidate);
  EXPECT_EQ(result.version, 1);
  EXPECT_FALSE(result.promoted);
  EXPECT_THAT(result.reason, HasSubstr("0 approvals given, wanted 2, never the author"));
  EXPECT_EQ(w.Champion(), 0);
}

TEST(Promoter, ExportThatCannotWork_IsADecision) {
  for (const Error& error : {Unsupported("operator aten::foo in conv1"), NotFound("checkpoint"),
                             Corrupt("safetensors"), Invalid("shape")}) {
    World w;
    w.world.export_error = error;
    const auto result = w.Run(MakeCandidate("p1", 8));
    EXPECT_FALSE(result.promoted);
    EXPECT_EQ(result.reason, "export of trial s/3: " + error.message);
    EXPECT_THAT(w.Actions(), ElementsAre("promotion.decision"));
  }
}

TEST(Promoter, ExportThatMayWorkLater_IsNoDecision) {
  World w;
  w.world.export_error = ResourceExhausted("no space left on device");
  EXPECT_EQ(w.promoter.Run(MakeCandidate("p1", 8)).error().kind, ErrorKind::kResource);
  EXPECT_THAT(w.Actions(), IsEmpty());
  w.world.export_error = Ok();
  EXPECT_TRUE(w.Run(MakeCandidate("p1", 8)).promoted);
}

TEST(Promoter, AliasMovedMeanwhile_IsJudgedAgainstTheNewChampion) {
  for (const int rival : {7, 10}) {
    World w;
    w.Run(MakeCandidate("p1", 6));
    w.store.before_promote = [&] {
      w.world.disk["/models/digits/3/model.onnx"] = rival;
      ASSERT_TRUE(w.store.CreateVersion({.name = "digits"}, {}).ok());
      ASSERT_TRUE(w.store.SetAlias("digits", "champion", 3, {}).ok());
    };
    const auto result = w.Run(MakeCandidate("p2", 8));
    EXPECT_EQ(result.version, 2);
    EXPECT_EQ(result.promoted, rival == 7);
    EXPECT_EQ(w.Champion(), rival == 7 ? 2 : 3);
    EXPECT_THAT(*w.store.Gates("digits", 2), SizeIs(6)) << "both judgements are kept";
  }
}

TEST(Promoter, ChampionThatCannotBeLoadedNow_IsNoDecision) {
  World w;
  w.Run(MakeCandidate("p1", 6));
  w.world.broken = "/models/digits/1/model.onnx";
  w.world.load_error = ResourceExhausted("out of memory");
  EXPECT_EQ(w.promoter.Run(MakeCandidate("p2", 8)).error().kind, ErrorKind::kResource);
  w.world.load_error = Corrupt("cut short");
  EXPECT_FALSE(w.Run(MakeCandidate("p3", 8)).promoted)
      << "a champion that is broken keeps the alias";
  w.world.broken.clear();
  EXPECT_TRUE(w.Run(MakeCandidate("p2", 8)).promoted);
}

TEST(Promoter, NoGates_LibTorchAndTheEngineAreComparedAllTheSame) {
  World w;
  Candidate candidate = MakeCandidate("p1", 8);
  candidate.model.gates.clear();
  const auto result = w.Run(candidate);
  EXPECT_TRUE(result.promoted);
  ASSERT_THAT(result.verdicts, SizeIs(1));
  EXPECT_EQ(result.verdicts[0].gate, "parity");
}

TEST(Promoter, KilledBeforeTheDecision_NewVerdictsAreRecordedAndCount) {
  for (const int approvals : {0, 2}) {
    World w;
    w.Run(MakeCandidate("p1", 6));
    Candidate candidate = MakeCandidate("p2", 8);
    candidate.model.approvals = approvals;
    w.store.before_audit = [&] { w.fault.countdown = 0; };
    if (approvals == 0) std::swap(w.store.before_audit, w.store.before_promote);
    ASSERT_FALSE(w.promoter.Run(candidate).ok());
    w.world.disk["/models/digits/3/model.onnx"] = 10;
    ASSERT_TRUE(w.store.CreateVersion({.name = "digits"}, {}).ok());
    ASSERT_TRUE(w.store.SetAlias("digits", "champion", 3, {}).ok());
    const auto result = w.Run(candidate);
    EXPECT_FALSE(result.promoted);
    EXPECT_EQ(result.version, 2);
    EXPECT_THAT(result.reason, HasSubstr("refused by better than champion"));
    EXPECT_THAT(*w.store.Gates("digits", 2), SizeIs(6)) << "both judgements are kept";
  }
}

TEST(Rollback, AliasMovedMeanwhile_ReturnsConflict) {
  World w;
  w.Run(MakeCandidate("p1", 6));
  w.Run(MakeCandidate("p2", 8));
  w.store.after_history = [&] {
    ASSERT_TRUE(w.store.CreateVersion({.name = "digits"}, {}).ok());
    ASSERT_TRUE(w.store.SetAlias("digits", "champion", 3, {}).ok());
  };
  EXPECT_EQ(Rollback(w.store, "digits", "champion", {}).error().kind, ErrorKind::kConflict);
  EXPECT_EQ(w.Champion(), 3);
}

TEST(Promoter, KilledBeforeThePromotion_IsJudgedAgainstWhoeverIsChampionThen) {
  World w;
  w.Run(MakeCandidate("p1", 6));
  w.store.before_promote = [&] { w.fault.countdown = 0; };
  ASSERT_FALSE(w.promoter.Run(MakeCandidate("p2", 8)).ok());
  ASSERT_EQ(w.Versions(), 2u);
  w.world.disk["/models/digits/3/model.onnx"] = 10;
  ASSERT_TRUE(w.store.CreateVersion({.name = "digits"}, {}).ok());
  ASSERT_TRUE(w.store.SetAlias("digits", "champion", 3, {}).ok());
  const auto result = w.Run(MakeCandidate("p2", 8));
  EXPECT_FALSE(result.promoted);
  EXPECT_EQ(w.Champion(), 3);
}

/// Killed at every step, before and after its effect, and run again: one version, one promotion, one decision.
TEST(Promoter, KilledAnywhereAndRunAgain_DoesEverythingOnce) {
  int steps = 0;
  {
    World w;
    w.Run(MakeCandidate("p1", 6));
    w.fault.steps = 0;
    w.Run(MakeCandidate("p2", 8));
    steps = w.fault.steps;
  }
  EXPECT_GE(steps, 12);
  for (int step = 0; step < steps; ++step) {
    for (const bool after : {false, true}) {
      SCOPED_TRACE("step " + std::to_string(step) + (after ? " after" : " before"));
      World w;
      w.Run(MakeCandidate("p1", 6));
      w.fault.countdown = step;
      w.fault.after = after;
      const auto killed = w.promoter.Run(MakeCandidate("p2", 8));
      ASSERT_FALSE(killed.ok());
      ASSERT_EQ(killed.error().kind, ErrorKind::kUnavailable);
      const auto result = w.Run(MakeCandidate("p2", 8));
      EXPECT_TRUE(result.promoted);
      EXPECT_EQ(result.version, 2);
      EXPECT_EQ(w.Versions(), 2u);
      EXPECT_EQ(w.Champion(), 2);
      EXPECT_THAT(*w.store.AliasHistory("digits"), SizeIs(2));
      EXPECT_THAT(*w.store.Gates("digits", 2), SizeIs(3));
      const auto actions = w.Actions();
      EXPECT_EQ(std::count(actions.begin(), actions.end(), "promotion.decision"), 2);
      EXPECT_TRUE(w.world.disk.contains("/models/digits/2/model.onnx"));
    }
  }
}

}  // namespace
}  // namespace muster::registry
