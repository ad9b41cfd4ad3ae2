#include "runtime/config/sweep_file.h"

#include <gtest/gtest.h>

#include "runtime/base/file.h"
#include "runtime/base/random.h"
#include "runtime/config/suggest.h"

namespace muster::config {
namespace {

constexpr const char* kWhole = R"(name: digits
seed: 7
trial:
  program: digits
  ranks: 2
  resources: {cpu: 1, memory: 1GiB}
space:
  optimizer: {choice: [adamw, sgd]}
  lr: {float: [1e-4, 1e-1], log: true}
  momentum: {float: [0.5, 0.99], when: {optimizer: sgd}}
  width: {int: [16, 128], step: 16}
  epochs: 9
objective: {metric: validation/accuracy, goal: maximize}
budget: {trials: 16, parallel: auto, time: 30m}
sampler: auto
stop: {asha: {step: epoch, min: 1, max: 9, eta: 3}}
retry: {infra: 5, user: 0}
model:
  name: digits
  gates:
    - {metric: test/accuracy, at_least: 0.97}
    - {better_than: champion, metric: test/accuracy}
    - parity
  approvals: 0
  promote: champion
retrain: {cron: "0 3 * * *"}
)";

Result<SweepFile> Parse(std::string text, const std::vector<std::string>& overrides = {}) {
  return SweepFile::Parse(text, "s.yaml", "/data", overrides);
}

/// The whole file with one piece of text replaced; its error.
std::string ErrorOf(const std::string& from, const std::string& to) {
  std::string text = kWhole;
  text.replace(text.find(from), from.size(), to);
  const auto file = Parse(text);
  return file.ok() ? "no error" : file.error().message;
}

TEST(SweepFile, TheDesignsExample_IsRead) {
  const auto file = Parse(kWhole);
  ASSERT_TRUE(file.ok()) << file.error().message;
  const auto& spec = file->spec();
  EXPECT_EQ(spec.trial.resources.memory_bytes, 1LL << 30);
  EXPECT_EQ(spec.budget.time_seconds, 1800);
  EXPECT_EQ(spec.budget.parallel, 0);
  EXPECT_EQ(spec.fixed.at("epochs").as_int64(), 9);
  EXPECT_EQ(spec.space.size(), 4u);
  ASSERT_EQ(spec.model->gates.size(), 3u);
  EXPECT_TRUE(spec.model->gates[2].parity);
  EXPECT_EQ(spec.model->gates[0].at_least, 0.97);
  EXPECT_EQ(spec.retrain->cron, "0 3 * * *");
}

TEST(SweepFile, Retrain_HasConditionsAndGuardsInPeoplesUnits) {
  std::string text = kWhole;
  const std::string from = R"(retrain: {cron: "0 3 * * *"})";
  text.replace(text.find(from), from.size(), R"(retrain:
  cron: "0 3 * * *"
  tz: Europe/Berlin
  data: [train]
  signals: [{kind: drift, at_least: 0.2}]
  webhook: {events: [push], ref: refs/heads/main, age: 10m}
  guards: {cooldown: 6h, retrainings: 4, period: 7d, approval: 2d}
  canary: true)");
  const auto file = Parse(text);
  ASSERT_TRUE(file.ok()) << file.error().message;
  const wire::RetrainSpec& retrain = *file->spec().retrain;
  EXPECT_EQ(retrain.tz, "Europe/Berlin");
  EXPECT_EQ(retrain.signals.at(0).at_least, 0.2);
  EXPECT_EQ(retrain.webhook->age_seconds, 600);
  EXPECT_EQ(retrain.guards.cooldown_seconds, 21'600);
  EXPECT_EQ(retrain.guards.approval_seconds, 172'800);
  EXPECT_TRUE(retrain.canary && retrain.warm_start && retrain.compare);
  EXPECT_EQ(
      ErrorOf(from, "retrain: {guards: {cooldwn: 6h}}"),
      "s.yaml:26:20: retrain.guards.cooldwn: unknown key 'cooldwn'; wanted one of cooldown, "
      "dedup, retrainings, trial_seconds, period, approval, canary; did you mean 'cooldown'?");
}

TEST(SweepFile, Bind_TravelsInTheEnvironmentAndKeepsItsPlace) {
  const auto file = Parse(kWhole, {"trial.bind=numa", "trial.env={A: 1}"});
  ASSERT_TRUE(file.ok()) << file.error().message;
  EXPECT_EQ(file->spec().trial.env,
            (std::map<std::string, std::string>{{"A", "1"}, {"MUSTER_BIND", "numa"}}));
  std::string text = kWhole;
  text.replace(text.find("ranks: 2"), 8, "bind: cores");
  EXPECT_EQ(Parse(text)->Explain(Invalid("at trial.env.MUSTER_BIND: wanted another")).message,
            "s.yaml:5:3: trial.env.MUSTER_BIND: wanted another");
  EXPECT_EQ(ErrorOf("ranks: 2", "bind: [core]"),
            "s.yaml:5:3: trial.env.MUSTER_BIND: wanted a string, got [\"core\"]");
}

TEST(SweepFile, Hang_HasUnitsAndWords) {
  const auto file = Parse(kWhole, {"hang={after: 2m, first: 1h, do: report}"});
  ASSERT_TRUE(file.ok()) << file.error().message;
  EXPECT_EQ(file->spec().hang.after_seconds, 120);
  EXPECT_EQ(file->spec().hang.first_seconds, 3600);
  EXPECT_EQ(file->spec().hang.action, "report");
  EXPECT_EQ(Parse(kWhole)->spec().hang.after_seconds, 45);
  EXPECT_EQ(ErrorOf("retry:", "hang: {aftr: 45s}\nretry:"),
            "s.yaml:17:8: hang.aftr: unknown key 'aftr'; wanted one of after, first, do; did you "
            "mean 'after'?");
}

TEST(SweepFile, Overrides_ReplaceValues) {
  const auto file = Parse(kWhole, {"budget.trials=4", "space.lr={float: [0.1, 0.2]}", "seed=9"});
  ASSERT_TRUE(file.ok()) << file.error().message;
  EXPECT_EQ(file->spec().budget.trials, 4);
  EXPECT_EQ(file->spec().seed, 9u);
  const auto wrong = Parse(kWhole, {"budget.trials=many"});
  ASSERT_FALSE(wrong.ok());
  EXPECT_EQ(wrong.error().message,
            "--set budget.trials: budget.trials: wanted an integer, got \"many\"");
}

TEST(SweepFile, Mistakes_HaveLineColumnAndTheRightWord) {
  EXPECT_EQ(ErrorOf("{trials: 16", "{trails: 16"),
            "s.yaml:14:10: budget.trails: unknown key 'trails'; wanted one of trials, parallel, "
            "time; did you mean 'trials'?");
  EXPECT_EQ(ErrorOf("ranks: 2", "ranks: two"),
            "s.yaml:5:3: trial.ranks: wanted an integer, got \"two\"");
  EXPECT_EQ(ErrorOf("[1e-4, 1e-1]", "[1e-1, 1e-4]"),
            "s.yaml:9:8: space.lr.float: low must be below high, got [1E-1,1E-4]");
  EXPECT_EQ(ErrorOf("sampler: auto", "sampler: tpee"),
            "s.yaml:15:1: sampler: unknown sampler 'tpee'; wanted one of auto, cmaes, gp, "
            "grid, nsga2, random, sobol, tpe; did you mean 'tpe'?");
  EXPECT_EQ(ErrorOf("time: 30m", "time: 30x"),
            "s.yaml:14:38: budget.time: '30x' is not a duration; wanted like 1s, 1m, 1h, 1d");
  EXPECT_EQ(ErrorOf("eta: 3", "eta: 1"), "s.yaml:16:44: stop.asha.eta: wanted 2 or more, got 1");
  EXPECT_EQ(ErrorOf("seed: 7", "data: {train: missing.h5}"),
            "s.yaml:2:8: data.train: /data/missing.h5 does not exist; make it with muster data "
            "convert");
  EXPECT_EQ(ErrorOf("seed: 7", "data: {train: 'shards/none-*.h5'}"),
            "s.yaml:2:8: data.train: no file matches /data/shards/none-*.h5; make it with muster "
            "data convert");
  EXPECT_EQ(ErrorOf("seed: 7", "name: again"),
            "s.yaml:2:1: key 'name' is there twice; first at s.yaml:1:1");
  EXPECT_EQ(ErrorOf("seed: 7", "seed: [").substr(0, 7), "s.yaml:");
}

TEST(SweepFile, Policies_AreRead) {
  const auto file = Parse(kWhole, {"trial.time=10m", "retry={oom: 2, node: unlimited, crashes: 3}",
                                   "on_log=[{match: ECC error, do: exclude_node}]"});
  ASSERT_TRUE(file.ok()) << file.error().message;
  const auto& spec = file->spec();
  EXPECT_EQ(spec.trial.time_seconds, 600);
  EXPECT_EQ(spec.retry.oom, 2);
  EXPECT_EQ(spec.retry.node, wire::kUnlimited);
  EXPECT_EQ(spec.retry.crashes, 3);
  EXPECT_EQ(spec.retry.hang, std::nullopt);
  ASSERT_EQ(spec.on_log.size(), 1u);
  EXPECT_EQ(spec.on_log[0].match, "ECC error");
  EXPECT_EQ(spec.on_log[0].reaction, wire::LogReaction::kExcludeNode);
  const auto alone = Parse(kWhole, {"on_log={match: CUDA out of memory, do: fail}"});
  ASSERT_TRUE(alone.ok()) << alone.error().message;
  EXPECT_EQ(alone->spec().on_log.at(0).reaction, wire::LogReaction::kFail);
}

TEST(SweepFile, MistakesInPolicies_HaveTheirPlace) {
  EXPECT_EQ(
      ErrorOf("{infra: 5", "{preemt: 5"),
      "s.yaml:17:9: retry.preemt: unknown key 'preemt'; wanted one of user, oom, hang, infra, "
      "node, fenced, preempt, walltime, crashes; did you mean 'preempt'?");
  const std::string rules = "on_log:\n  - {match: a, do: ";
  EXPECT_EQ(
      ErrorOf("seed: 7", rules + "exclude_nodes}"),
      "s.yaml:3:16: on_log[0].do: wanted one of fail, exclude_node, retry, got \"exclude_nodes\"; "
      "did you mean 'exclude_node'?");
  EXPECT_EQ(ErrorOf("seed: 7", rules + "fail, doo: x}"),
            "s.yaml:3:26: on_log[0].doo: unknown key 'doo'; wanted one of match, do; did you "
            "mean 'do'?");
  EXPECT_EQ(ErrorOf("ranks: 2", "time: soon"),
            "s.yaml:5:3: trial.time: 'soon' is not a duration; wanted like 1s, 1m, 1h, 1d");
  const auto file = Parse(std::string(kWhole) + "on_log: [{match: ca(t, do: fail}]\n");
  ASSERT_TRUE(file.ok()) << file.error().message;
  EXPECT_EQ(file->Explain(Invalid("at on_log[0].match: missing ): ca(t")).message,
            "s.yaml:27:11: on_log[0].match: missing ): ca(t");
}

TEST(SweepFile, CommandAndEnv_KeepTheTextOfTheirScalars) {
  std::string text = kWhole;
  text.replace(text.find("  program: digits\n"), 18,
               "  command: [python, -v, 0.1, 08080, 1e3, true]\n"
               "  env: {PYTHON: 3.10, EMPTY: , PORT: 08080}\n");
  const auto file = Parse(text, {"trial.env.RATE=0.10"});
  ASSERT_TRUE(file.ok()) << file.error().message;
  EXPECT_EQ(file->spec().trial.command,
            (std::vector<std::string>{"python", "-v", "0.1", "08080", "1e3", "true"}));
  EXPECT_EQ(file->spec().trial.env,
            (std::map<std::string, std::string>{
                {"EMPTY", ""}, {"PORT", "08080"}, {"PYTHON", "3.10"}, {"RATE", "0.10"}}));
  EXPECT_EQ(Parse(kWhole, {"trial.command=[run, 3.10]"})->spec().trial.command.at(1), "3.10");
}

TEST(SweepFile, WorkingDir_IsOfTheFilesFolder) {
  EXPECT_EQ(Parse(kWhole)->spec().trial.working_dir, "/data");
  EXPECT_EQ(Parse(kWhole, {"trial.working_dir=src"})->spec().trial.working_dir, "/data/src");
  EXPECT_EQ(Parse(kWhole, {"trial.working_dir=/src"})->spec().trial.working_dir, "/src");
}

class TableFileTest : public testing::Test {
 protected:
  TableFileTest() { std::filesystem::create_directories(folder_); }
  ~TableFileTest() override { std::filesystem::remove_all(folder_); }
  Result<SweepFile> ParseWith(const std::string& csv, const std::string& warm_start) {
    EXPECT_TRUE(WriteFileAtomically(folder_ / "t.csv", csv).ok());
    return SweepFile::Parse(std::string(kWhole) + "warm_start: " + warm_start + "\n", "s.yaml",
                            folder_, {});
  }
  std::string ErrorWith(const std::string& csv, const std::string& warm_start) {
    const auto file = ParseWith(csv, warm_start);
    std::string message = file.ok() ? "no error" : file.error().message;
    for (auto at = message.find(folder_); at != std::string::npos; at = message.find(folder_))
      message.erase(at, folder_.string().size() + 1);
    return message;
  }

  std::filesystem::path folder_ =
      std::filesystem::temp_directory_path() / ("muster-tables-" + RandomHex(8));
};

TEST_F(TableFileTest, Rows_BecomeImportedTrials_SweepsStay) {
  const auto file = ParseWith(
      "lr,optimizer,momentum,width,validation/accuracy,weight,state\n"
      "0.01,adamw,,16,0.9,0.5,complete\n"
      "0.02,sgd,0.9,32,,1,failed\n"
      "0.02,sgd,0.9,32,0.1,1,pruned\n",
      "[{csv: t.csv, weight: 0.5}, {sweep: old, weight: 0.25}]");
  ASSERT_TRUE(file.ok()) << file.error().message;
  const auto& spec = file->spec();
  ASSERT_EQ(spec.imported.size(), 2u);
  EXPECT_EQ(spec.imported[0].weight, 0.25);
  EXPECT_EQ(spec.imported[0].values, std::vector{0.9});
  EXPECT_EQ(spec.imported[1].state, "failed");
  EXPECT_EQ(spec.imported[1].params.at("width"), 32);
  ASSERT_EQ(spec.warm_start.size(), 1u);
  EXPECT_EQ(spec.warm_start[0].sweep, "old");
  EXPECT_EQ(file->notes(), std::vector{(folder_ / "t.csv").string() +
                                       ": 2 trials to start with; 1 left out that were pruned or "
                                       "have not ended"});
  EXPECT_EQ(file->Explain(Invalid("at warm_start[0].sweep: there is no sweep 'old'")).message,
            "s.yaml:27:42: warm_start[0].sweep: there is no sweep 'old'");
  EXPECT_EQ(file->Explain(Invalid("at imported[1].weight: no")).message,
            (folder_ / "t.csv").string() + ":3: imported[1].weight: no");
}

TEST_F(TableFileTest, Mistakes_HaveBothPlaces) {
  const char* good = "lr,optimizer,width,validation/accuracy\n0.01,adamw,16,0.9\n";
  EXPECT_EQ(
      ErrorWith("lr,optimizer,width,validation/accuracy\n0.5,adamw,16,0.9\n", "[{csv: t.csv}]"),
      "s.yaml:27:15: warm_start[0].csv: t.csv:2: column lr: wanted a number from 1e-04 to "
      "0.1, got 0.5");
  EXPECT_EQ(ErrorWith(good, "[{csv: t.csv, weight: 2}]"),
            "s.yaml:27:27: warm_start[0].weight: wanted above 0 up to 1, got 2");
  EXPECT_EQ(ErrorWith(good, "[{csv: 7}]"),
            "s.yaml:27:15: warm_start[0].csv: wanted a file's name, got 7");
  EXPECT_EQ(ErrorWith(good, "[{csv: t.csv, sweep: old}]"),
            "s.yaml:27:27: warm_start[0].sweep: unknown key 'sweep'; wanted one of csv, weight");
  EXPECT_EQ(ErrorWith("lr\xff\n", "[{csv: t.csv}]"),
            "s.yaml:27:15: warm_start[0].csv: t.csv is not UTF-8");
  EXPECT_NE(ErrorWith(good, "[{csv: none.csv}]").find("none.csv"), std::string::npos);
}

TEST(SweepFile, AliasWithinItself_IsRefused) {
  const auto file = Parse("name: x\na: &x [*x]\n");
  ASSERT_FALSE(file.ok());
  EXPECT_NE(file.error().message.find("more than 64 lists and maps within each other"),
            std::string::npos)
      << file.error().message;
}

TEST(SweepFile, DataPathThatCannotBeLookedUp_IsAnError) {
  const auto file = Parse(kWhole, {"data.train=" + std::string(300, 'x') + "/y"});
  ASSERT_FALSE(file.ok());
  EXPECT_NE(file.error().message.find("data.train"), std::string::npos);
}

TEST(SweepFile, ServersErrors_AreLedBack) {
  const auto file = Parse(kWhole);
  ASSERT_TRUE(file.ok());
  EXPECT_EQ(file->Explain(Invalid("at objective.goal: wanted maximize")).message,
            "s.yaml:13:42: objective.goal: wanted maximize");
  EXPECT_EQ(file->Explain(Invalid("no slots")).message, "s.yaml: no slots");
}

TEST(Units, AreReadOrNamed) {
  EXPECT_EQ(*ParseDuration("90"), 90);
  EXPECT_EQ(*ParseDuration("2h"), 7200);
  EXPECT_FALSE(ParseDuration("-1s").ok());
  EXPECT_FALSE(ParseDuration("99999999999999999h").ok());
  EXPECT_EQ(*ParseSize("64KiB"), 65536);
  EXPECT_EQ(*ParseSize("1GB"), 1'000'000'000);
}

TEST(EditDistance, KnownWords) {
  EXPECT_EQ(EditDistance("kitten", "sitting"), 3u);
  EXPECT_EQ(EditDistance("", "abc"), 3u);
}

}  // namespace
}  // namespace muster::config
