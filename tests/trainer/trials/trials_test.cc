#include <gmock/gmock.h>
#include <signal.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <regex>

#include "registry/files/model_directory.h"
#include "registry/gates.h"
#include "registry/openvino/engine.h"
#include "runtime/base/file.h"
#include "runtime/config/sweep_file.h"
#include "tests/trainer/trials/program.h"
#include "tests/trainer/trials/tables.h"
#include "trainer/files/checkpoint_folder.h"

/// The trials that ship beside digits, as programs: each learns, on one rank and on two, goes on after a kill with the
/// same bits, and has a sweep file that fits it.

namespace muster::trainer {
namespace {

namespace fs = std::filesystem;
using testing::Ended;
using ::testing::HasSubstr;

struct Learning {
  std::string name;
  std::string program;
  std::vector<std::string> flags;
  std::string metric;  ///< of the last epoch's line
  double most = 0;     ///< its bound from above, or
  double least = 0;    ///< from below
  /// Its own figures of the held-out rows, and the registry's names for them.
  std::vector<std::pair<std::string, std::string>> judged = {};
};

std::vector<Learning> Trials() {
  return {
      // Single bytes of this text, told by how often they are alone, cost 3.2 nats.
      {"gpt",
       MUSTER_GPT,
       {"--layers", "1", "--heads", "2", "--width", "64", "--context", "32", "--lr", "0.02",
        "--batch_size", "8", "--epochs", "4"},
       "validation/loss",
       3.1,
       0,
       {{"test/loss", "loss"}, {"test/bits_per_token", "bits_per_token"}}},
      {"resnet",
       MUSTER_RESNET,
       {"--channels", "1", "--white", "16", "--width", "8", "--crop", "1", "--flip", "0", "--lr",
        "0.01", "--batch_size", "32", "--epochs", "4"},
       "validation/accuracy",
       0,
       0.85,
       {{"test/loss", "loss"}, {"test/accuracy", "accuracy"}}},
      {"tabular",
       MUSTER_TABULAR,
       {"--lr", "0.003", "--batch_size", "32", "--epochs", "150"},
       "validation/f1",
       0,
       0.94,
       {{"test/accuracy", "accuracy"},
        {"test/precision", "precision"},
        {"test/recall", "recall"},
        {"test/f1", "f1"}}},
      // By chance 10 of some 250 candidates are 0.04; who knows the tastes, and no more, has about 0.3.
      {"two_tower",
       MUSTER_TWO_TOWER,
       {"--items", "200", "--genres", "16", "--lr", "0.01", "--batch_size", "50", "--epochs", "8"},
       "validation/recall",
       0,
       0.25,
       {{"test/recall", "recall_at_10"}}},
  };
}

class TrialsTest : public ::testing::TestWithParam<Learning> {
 protected:
  static void SetUpTestSuite() {
    folder_ = fs::temp_directory_path() / ("muster-trials-" + std::to_string(getpid()));
    fs::create_directories(folder_);
    const fs::path tables = MUSTER_SKLEARN_DATA;
    ASSERT_TRUE(WriteDigitImages(tables / "digits.csv.gz", folder_).ok());
    ASSERT_TRUE(WriteBreastCancer(tables / "breast_cancer.csv", folder_).ok());
    ASSERT_TRUE(WriteText(MUSTER_SOURCE, 33, folder_).ok());
    ASSERT_TRUE(WriteViews(folder_).ok());
  }
  static void TearDownTestSuite() { fs::remove_all(folder_); }

  static std::string Data(const std::string& role) {
    return folder_ / (GetParam().name + "-" + role + ".h5");
  }
  static std::vector<std::string> Command(const std::vector<std::string>& more) {
    std::vector<std::string> command = {GetParam().program, "--train", Data("train"),
                                        "--validation", Data("validation")};
    command.insert(command.end(), GetParam().flags.begin(), GetParam().flags.end());
    command.insert(command.end(), more.begin(), more.end());
    return command;
  }
  static pid_t Start(const std::vector<std::string>& command) {
    return testing::StartProgram(command, folder_ / "output.txt");
  }
  static Ended Wait(pid_t child) { return testing::WaitForProgram(child, folder_ / "output.txt"); }

  /// The metric as the line of the result has it.
  static double Last(const Ended& ended) {
    const std::string name = "  " + GetParam().metric + " ";
    const auto at = ended.output.find(name, ended.output.rfind("\ndone"));
    EXPECT_NE(at, std::string::npos) << ended.output;
    return at == std::string::npos ? NAN
                                   : std::strtod(ended.output.c_str() + at + name.size(), nullptr);
  }
  static void ExpectLearned(const Ended& ended) {
    ASSERT_EQ(ended.code, 0) << ended.output;
    const double last = Last(ended);
    EXPECT_TRUE(GetParam().most == 0 || last < GetParam().most) << ended.output;
    EXPECT_TRUE(last > GetParam().least) << ended.output;
  }
  static Checkpoint Latest(const fs::path& folder) {
    auto store = files::OpenCheckpointFolder({.folder = folder});
    auto latest =
        store.ok() ? (*store)->LoadLatest() : Result<std::optional<Checkpoint>>(store.error());
    if (!latest.ok() || !*latest) return {};
    return std::move(**latest);
  }

  static fs::path folder_;
};
fs::path TrialsTest::folder_;

TEST_P(TrialsTest, KilledAndStartedAgain_LearnsTheSameBits) {
  const fs::path whole = folder_ / (GetParam().name + "-whole"),
                 cut = folder_ / (GetParam().name + "-cut");
  ExpectLearned(Wait(Start(Command({"--checkpoint-dir", whole}))));
  const std::int64_t epochs = Latest(whole).progress.epoch;

  const pid_t child = Start(Command({"--checkpoint-dir", cut}));
  for (int waited = 0; waited < 30'000 && Latest(cut).progress.epoch < 1 && kill(child, 0) == 0;
       ++waited)
    usleep(1000);
  kill(child, SIGKILL);
  ASSERT_EQ(Wait(child).code, 128 + SIGKILL);
  ASSERT_LT(Latest(cut).progress.epoch, epochs) << "it finished before it was killed";
  const Ended again = Wait(Start(Command({"--checkpoint-dir", cut})));
  ASSERT_EQ(again.code, 0) << again.output;
  EXPECT_THAT(again.output, HasSubstr("resumed after epoch"));
  EXPECT_EQ(Latest(cut).tensors, Latest(whole).tensors);
}

TEST_P(TrialsTest, TwoRanks_LearnToo) {
  std::vector<std::string> command = {
      MUSTER_MPIRUN, "--oversubscribe", "--bind-to", "none", "-n", "2"};
  const std::vector<std::string> own = Command({});
  command.insert(command.end(), own.begin(), own.end());
  ExpectLearned(Wait(Start(command)));
}

// Two batches and a row: one rank has none of the third batch, the other a single one.
TEST_P(TrialsTest, LastBatchOfOneRow_IsTrainedOnAnywhere) {
  const auto rows = hdf5::OpenDatasetFile(Data("train"));
  ASSERT_TRUE(rows.ok());
  const std::uint64_t count = (*rows)->rows();
  std::vector<std::string> command = {
      MUSTER_MPIRUN, "--oversubscribe", "--bind-to", "none", "-n", "2"};
  for (const std::string& word :
       Command({"--epochs", "1", "--batch_size", std::to_string((count - 1) / 2)})) {
    command.push_back(word);
  }
  const Ended ended = Wait(Start(command));
  ASSERT_EQ(ended.code, 0) << ended.output;
  EXPECT_TRUE(std::isfinite(Last(ended))) << ended.output;
}

TEST_P(TrialsTest, SweepFile_FitsTheProgram) {
  const fs::path shipped =
      fs::path(MUSTER_SOURCE) / "trainer/trials" / GetParam().name / (GetParam().name + ".yaml");
  const fs::path folder = folder_ / (GetParam().name + "-sweep");
  fs::create_directories(folder);
  const fs::path path = folder / shipped.filename();
  fs::copy_file(shipped, path, fs::copy_options::overwrite_existing);
  // The data files that it names lie beside it.
  const auto text = ReadWholeFile(path);
  ASSERT_TRUE(text.ok());
  const std::regex data_file("[a-z]+-[a-z]+\\.h5");
  for (std::sregex_iterator match(text->begin(), text->end(), data_file), end; match != end;
       ++match) {
    std::ofstream(folder / match->str());
  }
  const auto file = config::SweepFile::Read(path, {});
  ASSERT_TRUE(file.ok()) << file.error().message;
  EXPECT_EQ(file->spec().trial.program, GetParam().name);
  const Ended help = Wait(Start({GetParam().program, "--help"}));
  std::vector<std::string> names;
  for (const auto& parameter : file->spec().space) names.emplace_back(parameter.key());
  for (const auto& parameter : file->spec().fixed) names.push_back(parameter.first);
  for (const std::string& name : names) EXPECT_THAT(help.output, HasSubstr("--" + name + " "));
}

TEST_P(TrialsTest, Export_IsJudgedOnAnotherEngineAsTheTrialJudgedIt) {
  const fs::path saved = folder_ / (GetParam().name + "-saved"),
                 out = folder_ / (GetParam().name + "-export");
  ASSERT_EQ(Wait(Start(Command({"--epochs", "1", "--checkpoint-dir", saved}))).code, 0);
  const auto store = files::OpenCheckpointFolder({.folder = saved});
  ASSERT_TRUE(store.ok());
  std::vector<std::string> command = {
      GetParam().program,    "--export", out,         "--checkpoint",
      (*store)->best_path(), "--test",   Data("test")};
  command.insert(command.end(), GetParam().flags.begin(), GetParam().flags.end());
  const Ended exported = Wait(Start(command));
  ASSERT_EQ(exported.code, 0) << exported.output;

  const auto bundle =
      registry::ModelDirectory({folder_, folder_, folder_ / "key.pem"}).ReadBundle(out);
  ASSERT_TRUE(bundle.ok()) << bundle.error().message;
  const auto engine = registry::MakeOpenVinoEngine();
  const auto model = engine->Load(bundle->onnx_file(), 1);
  ASSERT_TRUE(model.ok()) << model.error().message;
  registry::GateEvidence evidence{.evaluation = &bundle->evaluation};
  const auto answers = registry::Logits(**model, bundle->evaluation);
  ASSERT_TRUE(answers.ok()) << answers.error().message;
  evidence.logits = *answers;
  wire::GateSpec parity{.parity = true};
  if (GetParam().name == "gpt") parity.tolerance = 1e-4;  // as its sweep file, which says why
  const auto verdicts = registry::DecideGates({parity}, evidence);
  ASSERT_TRUE(verdicts.ok()) << verdicts.error().message;
  EXPECT_TRUE(registry::AllPassed(*verdicts)) << registry::Summary(*verdicts);
  for (const auto& [own, metric] : GetParam().judged) {
    const auto seen = registry::ComputeMetric(metric, evidence.logits, bundle->evaluation);
    ASSERT_TRUE(seen.ok()) << seen.error().message;
    EXPECT_NEAR(*seen, bundle->info.metrics.at(own), 1e-5) << metric;
  }
}

INSTANTIATE_TEST_SUITE_P(Shipped, TrialsTest, ::testing::ValuesIn(Trials()),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace muster::trainer
