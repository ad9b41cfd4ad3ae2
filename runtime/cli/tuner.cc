// muster tuner
#include <iostream>
#include <string>

#include "runtime/cli/context.h"
#include "tuner/ask_tell.h"

namespace muster::cli {
namespace {

int ServeStdio() {
  tuner::AskTell studies;
  std::string line;
  while (std::getline(std::cin, line)) {
    if (line.empty()) continue;
    // A line at a time: whoever asks waits for the answer.
    std::cout << studies.AnswerLine(line) << std::endl;
  }
  return kDone;
}

}  // namespace

void AddTuner(CLI::App& app, Context& context) {
  auto* group = app.add_subcommand("tuner", "Ask and tell: the search alone, for any program");
  group->require_subcommand(1);
  auto* serve = group->add_subcommand(
      "serve",
      "Answer one JSON object a line until the input ends. A search in four lines:\n"
      R"(  {"op":"create","space":{"lr":{"float":[1e-4,0.1],"log":true}},"seed":7,"goal":"minimize"})"
      "\n"
      R"(  {"op":"ask"}                                 -> {"trial":0,"params":{"lr":...},"by":...})"
      "\n"
      R"(  {"op":"report","trial":0,"step":1,"value":3} -> {"verdict":"continue"})"
      "\n"
      R"(  {"op":"tell","trial":0,"value":2.5})"
      "\nOther verbs: should-stop, enqueue, import, trials, explain, drop; tuner/README.md has all "
      "fields");
  auto stdio = std::make_shared<bool>(false);
  serve->add_flag("--stdio", *stdio, "Over standard input and output")->required();
  serve->callback([&context] { context.run = [] { return ServeStdio(); }; });
}

}  // namespace muster::cli
