#include "tuner/ask_tell.h"

#include <gtest/gtest.h>

#include <boost/json/parse.hpp>

namespace muster::tuner {
namespace {

using boost::json::object;
using boost::json::parse;

object Line(AskTell& studies, const char* line) {
  return parse(studies.AnswerLine(line)).as_object();
}

std::string ErrorOf(AskTell& studies, const char* line) {
  const object answer = Line(studies, line);
  const auto* error = answer.if_contains("error");
  return error == nullptr ? "no error" : std::string(error->at("message").as_string());
}

constexpr const char* kCreate =
    R"({"op":"create","space":{"x":{"float":[0,1]}},"seed":1,"goal":"maximize","stop":{"asha":{"max":9}}})";

TEST(AskTell, AWholeSearch) {
  AskTell studies;
  EXPECT_FALSE(Line(studies, kCreate).contains("error"));
  const object asked = Line(studies, R"({"op":"ask","id":7})");
  EXPECT_EQ(asked.at("trial"), 0);
  EXPECT_EQ(asked.at("id"), 7);
  EXPECT_TRUE(asked.at("params").at("x").is_double());
  EXPECT_EQ(Line(studies, R"({"op":"report","trial":0,"step":1,"value":0.5})").at("verdict"),
            "continue");
  Line(studies, R"({"op":"ask"})");
  EXPECT_EQ(Line(studies, R"({"op":"report","trial":1,"step":1,"value":"nan"})").at("verdict"),
            "stop");
  EXPECT_EQ(Line(studies, R"({"op":"should-stop","trial":1})").at("verdict"), "stop");
  EXPECT_EQ(Line(studies, R"({"op":"tell","trial":1,"state":"pruned"})").at("trial"), 1);
  EXPECT_EQ(Line(studies, R"({"op":"tell","trial":0,"value":0.75})").at("trial"), 0);
  const object trials = Line(studies, R"({"op":"trials"})");
  EXPECT_EQ(trials.at("trials").at(0).at("values"), parse("[0.75]"));
  EXPECT_EQ(trials.at("trials").at(1).at("state"), "pruned");
}

TEST(AskTell, WrongRequests_NameTheFieldAndChangeNothing) {
  AskTell studies;
  EXPECT_EQ(ErrorOf(studies, "nonsense"), "wanted one JSON object on a line: syntax error");
  EXPECT_EQ(ErrorOf(studies, "[]"), "wanted one JSON object on a line: []");
  EXPECT_EQ(ErrorOf(studies, R"({"op":"ask"})"),
            "at study: there is none without a name; create it");
  EXPECT_EQ(ErrorOf(studies, R"({"op":"create"})"),
            "at space: missing; wanted {name: {float: [low, high]}, ...}");
  EXPECT_EQ(ErrorOf(studies, R"({"op":"create","space":{"x":{"float":[1,0]}}})"),
            "at space: at x.float: low must be below high, got [1,0]");
  EXPECT_EQ(ErrorOf(studies, R"({"op":"create","space":{"x":{"float":[0,1]}},"goal":"up"})"),
            "at goal: wanted minimize or maximize, got \"up\"");
  Line(studies, kCreate);
  EXPECT_EQ(ErrorOf(studies, kCreate), "at study: there is one without a name");
  Line(studies, R"({"op":"ask"})");
  EXPECT_EQ(ErrorOf(studies, R"({"op":"tell","trail":0})"),
            "at trail: unknown field; wanted study, trial, value, values, constraints, state");
  EXPECT_EQ(ErrorOf(studies, R"({"op":"tell","value":0})"),
            "at trial: missing; wanted the number that ask gave");
  EXPECT_EQ(ErrorOf(studies, R"({"op":"tell","trial":0,"value":"low"})"),
            "at value: wanted a number, \"nan\", \"inf\" or \"-inf\", got \"low\"");
  EXPECT_EQ(ErrorOf(studies, R"({"op":"report","trial":0,"value":1})"),
            "at step: missing; wanted 0 or more");
  EXPECT_EQ(ErrorOf(studies, R"({"op":"tell","trial":3,"value":1})"),
            "at trial: there is no trial 3; the newest is 0");
  EXPECT_EQ(Line(studies, R"({"op":"tell","trial":0,"value":1})").at("trial"), 0);
}

TEST(AskTell, LookingBack) {
  AskTell studies;
  Line(studies, R"({"op":"create","space":{"x":{"float":[0,1]},"o":{"choice":["a","b"]}},"seed":1,
                   "goal":"maximize","sampler":"random"})");
  EXPECT_EQ(ErrorOf(studies, R"({"op":"best"})"),
            "no trial is complete and keeps its constraints yet");
  for (int i = 0; i < 40; ++i) {
    const object asked = Line(studies, R"({"op":"ask"})");
    const double x = asked.at("params").at("x").as_double();
    Line(studies, ("{\"op\":\"tell\",\"trial\":" + std::to_string(i) +
                   ",\"value\":" + std::to_string(x) + "}")
                      .c_str());
  }
  for (const char* request :
       {R"({"op":"importance"})", R"({"op":"importance","method":"forest"})"}) {
    const object answer = Line(studies, request);
    EXPECT_EQ(answer.at("trials"), 40);
    EXPECT_EQ(answer.at("importance").at(0).at("parameter"), "x") << request;
    EXPECT_GT(answer.at("importance").at(0).at("share").as_double(), 0.8) << request;
  }
  const object dependence = Line(studies, R"({"op":"dependence","params":["x"]})");
  const auto& curve = dependence.at("dependence").as_array();
  EXPECT_EQ(curve.front().at("at").at(0), 0.0);
  EXPECT_GT(curve.back().at("value").as_double(), curve.front().at("value").as_double() + 0.5);
  const object best = Line(studies, R"({"op":"best"})");
  EXPECT_EQ(best.at("curve").as_array().back().at("value"), best.at("values").at(0));
  const object front = Line(studies, R"({"op":"front"})");
  EXPECT_EQ(front.at("trials").at(0).at("trial"), best.at("trial"));
  EXPECT_EQ(ErrorOf(studies, R"({"op":"importance","method":"fanova"})"),
            "at method: wanted ped-anova or forest, got \"fanova\"");
  EXPECT_EQ(ErrorOf(studies, R"({"op":"importance","objective":1})"),
            "at request.objective: wanted 0 to 0, got 1");
  EXPECT_EQ(ErrorOf(studies, R"({"op":"dependence"})"),
            "at params: wanted a list of one or two parameters");
  EXPECT_EQ(ErrorOf(studies, R"({"op":"dependence","params":["y"]})"),
            "at params[0]: there is no parameter \"y\"");
  EXPECT_EQ(ErrorOf(studies, R"({"op":"dependence","params":["x","x"]})"),
            "at params[1]: \"x\" is there twice");
}

TEST(AskTell, Tables_AreImportedWholeAndExported) {
  AskTell studies;
  Line(studies, R"({"op":"create","space":{"x":{"float":[0,1]}},"sampler":"random"})");
  EXPECT_EQ(ErrorOf(studies, R"({"op":"import","csv":"x,value\n0.5,1\n2,1\n"})"),
            "csv:3: column x: wanted a number from 0 to 1, got 2");
  EXPECT_EQ(ErrorOf(studies, R"({"op":"import","csv":"x,value\n0.5,1\n","params":{"x":1}})"),
            "at params: wanted it, or csv with all trials, not both");
  EXPECT_EQ(ErrorOf(studies, R"({"op":"import","csv":"x,value\n0.5,1\n","metrics":["a","b"]})"),
            "at metrics: wanted 1, one an objective, got 2");
  EXPECT_EQ(Line(studies, R"({"op":"trials"})").at("trials").as_array().size(), 0U);
  const object imported = Line(
      studies,
      R"({"op":"import","csv":"x,loss,weight\n0.5,1,0.5\n0.25,2,1\n","metrics":["loss"],"weight":0.5})");
  EXPECT_EQ(imported, parse(R"({"trials":2,"left_out":0})").as_object());
  EXPECT_EQ(Line(studies, R"({"op":"export"})").at("csv"),
            "trial,state,weight,value,x\r\n-1,complete,0.25,1,0.5\r\n-2,complete,0.5,2,0.25\r\n");
  Line(studies, R"({"op":"ask"})");
  EXPECT_EQ(ErrorOf(studies, R"({"op":"import","csv":"x,value\n0.5,1\n"})"),
            "trials are imported before the first one is asked for");
}

TEST(AskTell, Constraints_AreKeptAndRefusedByName) {
  AskTell studies;
  EXPECT_EQ(ErrorOf(studies, R"({"op":"create","space":{"x":{"float":[0,1]}},"constraints":"x"})"),
            "at constraints: wanted a list of texts, got \"x\"");
  EXPECT_EQ(
      ErrorOf(studies, R"({"op":"create","space":{"x":{"float":[0,1]}},"constraints":["x > 2"]})"),
      "at space: at constraints[0]: x > 2 can never hold: no values within the bounds make it "
      "true");
  Line(studies, R"({"op":"create","space":{"x":{"float":[0,1]}},"constraints":["x < 0.1"]})");
  EXPECT_LT(Line(studies, R"({"op":"ask"})").at("params").at("x").as_double(), 0.1);
  EXPECT_EQ(ErrorOf(studies, R"({"op":"enqueue","params":{"x":0.5}})"),
            "at params: wanted x < 0.1, got x = 0.5");
}

}  // namespace
}  // namespace muster::tuner
