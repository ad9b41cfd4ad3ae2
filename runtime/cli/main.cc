// The muster binary: global flags, one file a subcommand.
#include <cstdlib>
#include <iostream>

#include "runtime/cli/checkpoints.h"
#include "runtime/cli/context.h"
#include "runtime/cli/hidden.h"
#include "runtime/cli/probe.h"
#include "runtime/cli/version.h"
#include "runtime/config/suggest.h"

namespace {

/// A variable of the environment, or `otherwise` where it is unset or empty.
std::string FromEnvironment(const char* name, const char* otherwise) {
  const char* value = std::getenv(name);
  return value == nullptr || *value == '\0' ? otherwise : value;
}

/// A sentence about a word that stands where a command was wanted; empty: there is none such.
std::string UnknownCommand(const CLI::App& app) {
  const auto words = app.remaining(true);
  if (words.empty() || words.front().starts_with('-')) return "";
  const CLI::App* within = &app;
  std::string path = app.get_name() + " ";
  while (!within->get_subcommands().empty()) {
    within = within->get_subcommands().back();
    path += within->get_name() + " ";
  }
  if (within->get_require_subcommand_min() == 0) return "";
  std::string sentence = "there is no '" + path + words.front() + "'; wanted one of ";
  bool first = true;
  for (const CLI::App* command : within->get_subcommands([](const CLI::App*) { return true; })) {
    sentence += (first ? "" : ", ") + command->get_name();
    first = false;
  }
  return muster::config::WithSuggestion(sentence, words.front());
}

}  // namespace

int main(int argc, char** argv) {
  using namespace muster::cli;
  Context context;
  context.program = std::filesystem::read_symlink("/proc/self/exe");
  // The parts that muster starts itself come before any parsing: they have no flags for people.
  if (const auto code = RunHidden(argc, argv)) return *code;
  if (const auto code = RunCheckpoints(argc, argv)) return *code;

  CLI::App app{
      "muster runs hyperparameter sweeps on your nodes, tracks every run, and promotes, serves "
      "and\n"
      "retrains the best model. Start with: muster server, then muster sweep submit FILE --wait.",
      "muster"};
  app.require_subcommand(1);
  app.set_version_flag("--version", VersionText());
  app.option_defaults()->always_capture_default(false);
  context.home = FromEnvironment("HOME", ".") + "/.muster";
  context.user = FromEnvironment("USER", "local");
  app.add_option("--home", context.home, "Where the server keeps its state (default ~/.muster)")
      ->envname("MUSTER_HOME");
  app.add_option("--server", context.server,
                 "URL of a server (default: the one that runs on --home)")
      ->envname("MUSTER_SERVER");
  app.add_flag("--json", context.json, "Answer as JSON with stable fields");
  app.add_flag("--quiet", context.quiet, "No progress, no hints");
  app.fallthrough();

  AddServer(app, context);
  AddAgent(app, context);
  AddSweep(app, context);
  AddTrial(app, context);
  AddRun(app, context);
  AddNode(app, context);
  AddQuota(app, context);
  AddPool(app, context);
  AddModel(app, context);
  AddServe(app, context);
  AddPredict(app, context);
  AddMonitor(app, context);
  AddFleet(app, context);
  AddTrigger(app, context);
  AddCi(app, context);
  AddData(app, context);
  AddTracker(app, context);
  AddDoctor(app, context);
  AddProbe(app, context);
  AddSim(app, context);
  AddTuner(app, context);
  AddVersion(app, context);

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (const std::string unknown = UnknownCommand(app); !unknown.empty()) {
      return Fail(context, muster::Invalid(unknown));
    }
    // 0 for --help and --version; every mistake is usage.
    return app.exit(error) == 0 ? kDone : kUsage;
  }
  if (!context.run) return kUsage;
  try {
    return context.run();
  } catch (const std::exception& error) {
    return Fail(context, muster::Internal(error.what()));
  }
}
