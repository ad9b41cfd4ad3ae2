#include "tuner/trial_table.h"

#include <gtest/gtest.h>

#include <boost/json/parse.hpp>
#include <cmath>

namespace muster::tuner {
namespace {

std::shared_ptr<const Space> Parse(const char* json) {
  return ParseSpace(boost::json::parse(json).as_object()).value();
}

std::shared_ptr<const Space> Mixed() {
  return Parse(R"({"lr": {"float": [1e-4, 0.1], "log": true},
                   "layers": {"int": [1, 4]},
                   "optimizer": {"choice": ["adamw", "sgd"]},
                   "momentum": {"float": [0.5, 0.99], "when": {"optimizer": "sgd"}}})");
}

Result<TrialTable> Read(const std::string& csv, const std::vector<std::string>& metrics = {"acc"}) {
  return ReadTrialTable(csv, "t.csv", *Mixed(), metrics);
}

std::string ErrorOf(const std::string& csv, const std::vector<std::string>& metrics = {"acc"}) {
  const auto table = Read(csv, metrics);
  return table.ok() ? "no error" : table.error().message;
}

TEST(TrialTable, RowsOfEachKind_AreReadOrLeftOut) {
  const auto table = Read(
      "acc,optimizer,layers,lr,momentum,state,weight\n"
      "0.9,adamw,2,1e-3,,complete,0.5\n"
      ",sgd,4,0.1,0.9,failed,1\n"
      "0.4,sgd,4,0.1,0.9,pruned,1\n"
      ",,,,,running,\n"
      "nan,sgd,1,0.01,0.5,complete,1\n");
  ASSERT_TRUE(table.ok()) << table.error().message;
  ASSERT_EQ(table->trials.size(), 3U);
  EXPECT_EQ(table->left_out, 2U);
  const TableTrial& first = table->trials[0];
  EXPECT_EQ(first.line, 2U);
  EXPECT_EQ(
      first.params,
      (Params{{"lr", 1e-3}, {"layers", std::int64_t{2}}, {"optimizer", std::string("adamw")}}));
  EXPECT_EQ(first.outcome.values, std::vector{0.9});
  EXPECT_EQ(first.weight, 0.5);
  EXPECT_EQ(table->trials[1].outcome.state, TrialState::kFailed);
  EXPECT_TRUE(table->trials[1].outcome.values.empty());
  EXPECT_EQ(table->trials[1].params.at("momentum"), ParamValue(0.9));
  EXPECT_TRUE(std::isnan(table->trials[2].outcome.values[0]));
}

/// Written by Optuna 5.0.0 with pandas: study.trials_dataframe().to_csv().
TEST(TrialTable, OptunasDataframe_IsRead) {
  const auto table = Read(
      ",number,value,datetime_start,datetime_complete,duration,params_layers,params_lr,"
      "params_momentum,params_optimizer,state\n"
      "0,0,0.013474571475414001,2026-11-27 05:22:05.636622,2026-11-27 05:22:05.637134,"
      "0 days 00:00:00.000512,3.0,0.004491523825138,,adamw,COMPLETE\n"
      "3,3,0.5,2026-11-27 05:22:05.637680,2026-11-27 05:22:05.637899,0 days 00:00:00.000219,3.0,"
      "0.008859967786158758,0.511751122364811,sgd,PRUNED\n"
      "4,4,,2026-11-27 05:22:05.637922,2026-11-27 05:22:05.638109,0 days 00:00:00.000187,2.0,"
      "0.00474856365314245,0.8396375799733682,sgd,FAIL\n"
      "6,6,,2026-11-27 05:22:05.638355,,,,,,,RUNNING\n");
  ASSERT_TRUE(table.ok()) << table.error().message;
  ASSERT_EQ(table->trials.size(), 2U);
  EXPECT_EQ(table->left_out, 2U);
  EXPECT_EQ(table->trials[0].params.at("layers"), ParamValue(std::int64_t{3}));
  EXPECT_EQ(table->trials[0].outcome.values, std::vector{0.013474571475414001});
  EXPECT_EQ(table->trials[1].params.at("momentum"), ParamValue(0.8396375799733682));
}

TEST(TrialTable, OptunasValuesOfSeveralObjectives_AreReadByNumberAndByName) {
  const auto space = Parse(R"({"lr": {"float": [0, 1]}})");
  for (const char* header : {"number,values_0,values_1,params_lr,state\n",
                             "number,values_a,values_b,params_lr,state\n"}) {
    const auto table =
        ReadTrialTable(std::string(header) + "0,0.5507979025745755,2.0,0.55,COMPLETE\n", "t.csv",
                       *space, {"a", "b"});
    ASSERT_TRUE(table.ok()) << table.error().message;
    EXPECT_EQ(table->trials[0].outcome.values, (std::vector{0.5507979025745755, 2.0}));
  }
}

/// Written by MLflow 3.18.0 with pandas: search_runs().to_csv(), all tags but one taken away.
TEST(TrialTable, MlflowsRuns_AreRead) {
  const auto table = Read(
      ",run_id,experiment_id,status,artifact_uri,start_time,end_time,metrics.acc,metrics.loss,"
      "params.lr,params.layers,params.optimizer,params.epochs,tags.mlflow.source.type\n"
      "0,b2,1,FAILED,file:///r/1,2026-11-27 05:22:05+00:00,2026-11-27 05:22:06+00:00,,,0.02,2,"
      "adamw,9,LOCAL\n"
      "1,b1,1,FINISHED,file:///r/1,2026-11-27 05:22:05+00:00,2026-11-27 05:22:06+00:00,0.9,1.0,"
      "0.01,2,adamw,9,LOCAL\n");
  ASSERT_TRUE(table.ok()) << table.error().message;
  ASSERT_EQ(table->trials.size(), 2U);
  EXPECT_EQ(table->trials[0].outcome.state, TrialState::kFailed);
  EXPECT_EQ(table->trials[1].outcome.values, std::vector{0.9});
}

TEST(TrialTable, Mistakes_NameFileLineColumnSeenAndWanted) {
  const std::string header = "lr,layers,optimizer,momentum,acc,state,weight\n";
  const auto row = [&](const char* cells) { return ErrorOf(header + cells); };
  EXPECT_EQ(row("0.5,2,adamw,,0.9,complete,1"),
            "t.csv:2: column lr: wanted a number from 1e-04 to 0.1, got 0.5");
  EXPECT_EQ(row("fast,2,adamw,,0.9,complete,1"), "t.csv:2: column lr: wanted a number, got 'fast'");
  EXPECT_EQ(row("0.01,2.5,adamw,,0.9,complete,1"),
            "t.csv:2: column layers: wanted an integer from 1 to 4, got 2.5");
  EXPECT_EQ(row("0.01,2,adam,,0.9,complete,1"),
            "t.csv:2: column optimizer: wanted one of adamw, sgd, got 'adam'");
  EXPECT_EQ(row("0.01,2,sgd,,0.9,complete,1"),
            "t.csv:2: column momentum: wanted a value, for it is active here; got ''");
  EXPECT_EQ(row("0.01,2,adamw,0.9,0.9,complete,1"),
            "t.csv:2: column momentum: its `when` does not hold here; leave it out");
  EXPECT_EQ(row("0.01,2,adamw,,,complete,1"),
            "t.csv:2: column acc: wanted the number that a complete trial ended with, got ''");
  EXPECT_EQ(row("0.01,2,adamw,,0.9,done,1"),
            "t.csv:2: column state: wanted complete, failed or pruned, got 'done'");
  EXPECT_EQ(row("0.01,2,adamw,,0.9,complete,2"),
            "t.csv:2: column weight: wanted above 0 up to 1, got '2'");
  EXPECT_EQ(row(""), "t.csv:1: wanted rows of complete or failed trials, got none");
  EXPECT_EQ(row("0.01,2,adamw,,0.9,pruned,1"),
            "t.csv:1: wanted rows of complete or failed trials, got 1 that were pruned or have not "
            "ended");
  EXPECT_EQ(row("0.01,2"), "t.csv:2: wanted 7 cells, as many as the header has, got 2");
  EXPECT_EQ(ErrorOf(""), "t.csv:1: wanted a row of column names, got nothing");
}

TEST(TrialTable, MistakesInTheHeader_NameTheColumn) {
  EXPECT_EQ(
      ErrorOf("lr,layers,optimizer,accuracy\n"),
      "t.csv:1: column accuracy: unknown; wanted one of lr, layers, optimizer, momentum, acc, "
      "state, weight");
  EXPECT_EQ(ErrorOf("lr,optimizer,acc\n"),
            "t.csv:1: no column layers; wanted one for each parameter: lr, layers, optimizer, "
            "momentum");
  EXPECT_EQ(ErrorOf("lr,layers,optimizer\n"),
            "t.csv:1: no column acc; wanted one for each objective");
  EXPECT_EQ(ErrorOf("lr,layers,optimizer\n", {""}),
            "t.csv:1: no column value; wanted one for each objective");
  EXPECT_EQ(ErrorOf("lr,params_lr,layers,optimizer,acc\n"),
            "t.csv:1: column params_lr: says the same as column lr");
  EXPECT_EQ(ErrorOf("lr,layers,optimizer,acc,value\n"),
            "t.csv:1: column value: says the same as column acc");
  EXPECT_EQ(ErrorOf("params_lr,params_beta,layers,optimizer,acc\n").substr(0, 34),
            "t.csv:1: column params_beta: unkno");
  EXPECT_EQ(ErrorOf("lr,layers,optimizer,acc\n", {"acc", "lr"}).substr(0, 43),
            "t.csv:1: column lr: may be several things; ");
}

TEST(TrialTable, WhatIsWritten_IsReadBack_OddNamesAndValuesToo) {
  const auto space = Parse(R"({"state": {"choice": ["", "a,b", "c\"d", "true", true, 1, 0.5]},
                               "trial": {"float": [0, 1]}, "weight": {"int": [1, 9]},
                               "value": {"choice": [false, true]},
                               "loss": {"float": [-1, 1], "when": {"value": true}}})");
  const std::vector<std::string> metrics{"loss", ""};
  History history({Goal::kMinimize, Goal::kMaximize});
  const auto add = [&](const char* params, const Outcome& outcome, double weight) {
    const auto read = ParamsFromJson(boost::json::parse(params).as_object()).value();
    ASSERT_TRUE(space->Check(read).ok()) << space->Check(read).error().message;
    history.Import(read, outcome, weight);
  };
  const auto complete = [](double a, double b) {
    return Outcome{TrialState::kComplete, {a, b}, {}};
  };
  add(R"({"state": "", "trial": 0.1, "weight": 3, "value": false})", complete(0.1, 1e300), 0.25);
  add(R"({"state": "a,b", "trial": 1e-17, "weight": 9, "value": true, "loss": -0.3})",
      complete(-INFINITY, 2), 1);
  add(R"({"state": "c\"d", "trial": 1.0, "weight": 1, "value": false})",
      {TrialState::kFailed, {}, {}}, 0.5);
  add(R"({"state": 0.5, "trial": 0.7, "weight": 1, "value": false})", {TrialState::kLost, {}, {}},
      1);
  add(R"({"state": 1, "trial": 0.7, "weight": 1, "value": false})", complete(1, 2), 1);
  const std::string csv = WriteTrialTable(*space, history, metrics);
  const auto table = ReadTrialTable(csv, "t.csv", *space, metrics);
  ASSERT_TRUE(table.ok()) << table.error().message << "\n" << csv;
  EXPECT_EQ(table->left_out, 1U);
  ASSERT_EQ(table->trials.size(), 4U);
  History again(history.goals());
  for (const TableTrial& trial : table->trials)
    again.Import(trial.params, trial.outcome, trial.weight);
  const std::int64_t was[] = {-1, -2, -3, -5};
  for (std::int64_t i = 0; i < 4; ++i) {
    const Trial &seen = again.At(-1 - i), &wanted = history.At(was[i]);
    EXPECT_EQ(seen.params, wanted.params);
    EXPECT_EQ(seen.state, wanted.state);
    EXPECT_EQ(seen.losses, wanted.losses);
    EXPECT_EQ(seen.weight, wanted.weight);
  }
}

}  // namespace
}  // namespace muster::tuner
