#include "registry/package/package.h"

#include <gmock/gmock.h>

#include <cmath>
#include <cstring>
#include <limits>

#include "registry/package/baselines.h"
#include "registry/package/class_figures.h"
#include "registry/package/findings.h"
#include "registry/package/model_card.h"
#include "registry/package/provenance.h"
#include "registry/package/text.h"
#include "registry/package/triton_config.h"
#include "runtime/wire/codec.h"

/// What the formats' own readers cannot tell of: rows without a class, hostile names, digests of unknown kinds.
/// numpy and the rest read whole packages (tests/registry/files).

namespace muster::registry {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

Tensor F32(std::vector<std::int64_t> shape, const std::vector<float>& values) {
  Tensor tensor{"x", ElementType::kF32, std::move(shape), {}};
  tensor.bytes.resize(values.size() * sizeof(float));
  std::memcpy(tensor.bytes.data(), values.data(), tensor.bytes.size());
  return tensor;
}

Evaluation Rows(Task task, std::vector<std::int64_t> labels, std::int64_t width) {
  const auto rows = static_cast<std::int64_t>(labels.size());
  Evaluation evaluation;
  evaluation.task = task;
  evaluation.inputs = {F32({rows, 1}, std::vector<float>(labels.size()))};
  evaluation.classes = width;
  evaluation.reference.resize(labels.size() * static_cast<std::size_t>(width));
  evaluation.labels = std::move(labels);
  return evaluation;
}

TEST(ClassFigures, TiesGoLowAndNanToNobody) {
  const auto evaluation = Rows(Task::kClasses, {1, 0, 2, 2}, 3);
  const auto result =
      PredictionsOf(evaluation, {0, 1, 1, 5, 0, 0, 0, kNan, 9, -1e30F, -1e30F, 1e30F});
  EXPECT_EQ(result.classes.at(0).right, 1);
  EXPECT_EQ(result.classes.at(1).right, 1);
  EXPECT_EQ(result.classes.at(2).labelled, 2);
  EXPECT_EQ(result.classes.at(2).predicted, 1) << "a row with a NaN is of no class";
  EXPECT_DOUBLE_EQ(result.classes.at(2).recall(), 0.5);
  EXPECT_TRUE(std::isnan(result.confidence.at(2)));
  EXPECT_DOUBLE_EQ(result.confidence.at(3), 1);
  EXPECT_NEAR(result.confidence.at(0), 1 / (2 + std::exp(-1.0)), 1e-12);
}

TEST(ClassFigures, Binary_GoesByTheThreshold) {
  for (const std::int64_t width : {1, 2}) {
    auto evaluation = Rows(Task::kBinary, {1, 1, 0}, width);
    evaluation.threshold = 0.7;
    // Probabilities of class 1: 0.731, 0.622, 0.5.
    const std::vector<float> logits =
        width == 1 ? std::vector<float>{1, 0.5F, 0} : std::vector<float>{0, 1, 0, 0.5F, 0, 0};
    const auto result = PredictionsOf(evaluation, logits);
    EXPECT_EQ(result.classes.at(1).predicted, 1) << width;
    EXPECT_EQ(result.classes.at(0).right, 1) << width;
    EXPECT_NEAR(result.confidence.at(1), 1 / (1 + std::exp(-0.5)), 1e-7);
  }
  EXPECT_THAT(PredictionsOf(Rows(Task::kRegression, {0}, 1), {1}).classes, IsEmpty());
}

TEST(Baselines, Summary_CountsWhatIsNoNumber) {
  const double inf = std::numeric_limits<double>::infinity();
  const auto summary = SummaryOf("x", {2, kNan, inf, 2, -inf, 4});
  EXPECT_EQ(wire::SerializeJson(summary.at("values")), R"({"values":[2E0,4E0],"counts":[2,1]})");
  EXPECT_EQ(summary.at("missing").as_uint64(), 1);
  EXPECT_EQ(summary.at("infinite").as_uint64(), 2);
  EXPECT_EQ(summary.at("count").as_uint64(), 3);
  EXPECT_FALSE(SummaryOf("x", {kNan}).contains("min"));
}

/// A version with names that each format has to quote.
class Package : public ::testing::Test {
 protected:
  Package() {
    spec_.model = "it's | \"mine\"";
    spec_.model_uuid = std::string(32, 'a');
    spec_.info.opset = 17;
    spec_.info.inputs = {{"x", ElementType::kI64, {-1, 4}}};
    spec_.info.outputs = {{"y", ElementType::kF32, {-1, 2}}};
    spec_.info.metrics = {{"test/accuracy", 1e-5}};
    spec_.lineage.data = {{"train", "a|b.h5"}, {"test", "c.h5"}};
    spec_.info.data = {{"test", {"c.h5", std::string(64, 'c')}}};
    spec_.evaluation = &evaluation_;
    spec_.logits = &logits_;
  }
  Evaluation evaluation_ = Rows(Task::kClasses, {0, 1}, 2);
  std::vector<float> logits_ = {1, 0, 1, 0};
  PackageSpec spec_;
};

TEST_F(Package, Card_HasItsSectionsAndQuotes) {
  const std::string card = ModelCardText(spec_);
  EXPECT_THAT(MissingSections(card), IsEmpty());
  EXPECT_THAT(card, HasSubstr("- name: 'it''s | \"mine\"'"));
  EXPECT_THAT(card, HasSubstr("| train | a\\|b.h5 | not recorded |"));
  EXPECT_THAT(card, HasSubstr("value: 1.0e-05"));
  std::string cut = card;
  cut.replace(cut.find("## Fairness"), 11, "## Fair");
  EXPECT_THAT(MissingSections(cut), ElementsAre("Fairness"));
}

TEST_F(Package, Limits_SayWhatIsNotKnown) {
  const auto limits = Limits(spec_);
  EXPECT_THAT(limits, Contains(HasSubstr("digest of the data 'train'")));
  EXPECT_THAT(limits, Not(Contains(HasSubstr("digest of the data 'test'"))));
  EXPECT_THAT(limits, Contains(HasSubstr("nothing is known of fairness")));
  // scipy: binomtest(1, 2).proportion_ci(method="wilson") is (0.0945, 0.9055)
  EXPECT_THAT(limits, Contains(HasSubstr("from 0.0945312 to 0.905469")));
}

TEST_F(Package, Segments_HaveTheTrialsMetrics) {
  evaluation_.segments = {{"region", {7, 4}}};
  const auto figures = SegmentFigures(spec_);
  EXPECT_EQ(figures.at(0).segment + " " + figures.at(0).metric, "region 4 test/accuracy");
  EXPECT_EQ(figures.at(0).value, 0);
  EXPECT_EQ(figures.at(1).segment, "region 7");
  EXPECT_EQ(figures.at(1).value, 1);
  EXPECT_EQ(figures.at(1).rows, 1);
}

TEST_F(Package, FairnessGate_IsNoLimit) {
  spec_.verdicts = {{.gate = "four_fifths of region", .kind = "fairness"}};
  EXPECT_THAT(Limits(spec_), Not(Contains(HasSubstr("nothing is known of fairness"))));
}

TEST_F(Package, TritonConfig_TakesTypesAndFixedBatches) {
  const std::string batched = TritonConfigText("m", spec_.info);
  EXPECT_THAT(batched, HasSubstr("data_type: TYPE_INT64\n    dims: [ 4 ]"));
  spec_.info.outputs[0].shape = {1, 2};
  const std::string fixed = TritonConfigText("m", spec_.info);
  EXPECT_THAT(fixed, HasSubstr("max_batch_size: 0"));
  EXPECT_THAT(fixed, HasSubstr("dims: [ -1, 4 ]"));
  EXPECT_THAT(fixed, Not(HasSubstr("dynamic_batching")));
}

TEST(Text, Numbers_AreNumbersInYaml) {
  const std::pair<double, const char*> cases[] = {
      {0.5, "0.5"}, {1, "1.0"}, {1e-5, "1.0e-05"}, {1.5e300, "1.5e+300"}, {kNan, ".nan"}};
  for (const auto& [value, text] : cases) EXPECT_EQ(YamlNumber(value), text);
  EXPECT_EQ(UuidOf("a").size(), 36U);
}

TEST(Provenance, Digests_AreTheOnesThatAStrangerCanCheck) {
  const std::string sha256(64, 'a'), commit(40, 'b');
  const std::pair<std::string, std::string> cases[] = {
      {sha256, R"({"sha256":")" + sha256 + "\"}"},
      {"sha256:ab", R"({"sha256":"ab"})"},
      {commit, R"({"gitCommit":")" + commit + "\"}"},
      {"", "{}"},
      {"7", "{}"},
      {"sha256:xyz", "{}"},
      {"sha256:", "{}"}};
  for (const auto& [digest, set] : cases) {
    EXPECT_EQ(wire::SerializeJson(DigestSet(digest)), set) << digest;
  }
}

}  // namespace
}  // namespace muster::registry
