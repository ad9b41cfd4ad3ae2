#pragma once

#include <CLI/CLI.hpp>
#include <boost/json/value.hpp>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/result.h"
#include "runtime/http/client.h"

/// What every subcommand shares: global flags, the way to the server, output and exit codes. Each
/// subcommand's file has one `AddX(CLI::App&, Context&)` that declares its flags and sets `context.run`.

namespace muster::cli {

/// A variable of the environment, for what a main hands on.
std::optional<std::string> EnvironmentVariable(std::string_view name);

/// Exit codes of the program.
enum Exit : int {
  kDone = 0,
  kFailed = 1,  ///< the work failed, or a gate refused
  kUsage = 2,   ///< usage, or a bad file
  kMissing = 3,
  kConflicting = 4,  ///< conflict or fenced
  kNoServer = 5,
  kRetrainingFailed = 6,  ///< `muster ci retrain`: no gate was reached
  kInterrupted = 130,
};

struct Context {
  // --- global flags, valid when `run` is called -----------------------------------------------------
  std::string server;  ///< --server or MUSTER_SERVER
  std::string home;    ///< --home or MUSTER_HOME or ~/.muster
  std::string user;    ///< USER, or "local": who the audit names
  bool json = false, quiet = false;

  std::filesystem::path program;  ///< this executable
  /// What the chosen subcommand does; answers the exit code.
  std::function<int()> run;

  /// The server to talk to: --server, else the one that runs on the home (its server.json). kUnavailable
  /// says how to start one.
  Result<http::Client> Connect() const;
  [[nodiscard]] std::filesystem::path Home() const;
};

/// `error`, with `hint` behind its message if it is that something is not found.
Error WithHint(Error error, std::string_view hint);
/// Prints "muster: <message>" to standard error (a JSON object with --json) and answers the exit code.
int Fail(const Context& context, const Error& error);
int ExitOf(ErrorKind kind);

/// True when standard output is a terminal and NO_COLOR is not set.
bool FancyOutput();
/// A person's words for a time span: "1.2 s", "3 min 5 s".
std::string Span(double seconds);
/// A time in UTC, as strftime's `format` has it.
std::string Utc(std::int64_t unix_ms, const char* format = "%Y-%m-%d %H:%M:%SZ");
/// At most 4 significant digits.
std::string Short(double number);

/// Columns aligned under their headings; plain tab-separated lines when standard output is not a terminal.
class Table {
 public:
  explicit Table(std::vector<std::string> headings) { rows_.push_back(std::move(headings)); }
  void Add(std::vector<std::string> cells) { rows_.push_back(std::move(cells)); }
  void Print() const;

 private:
  std::vector<std::vector<std::string>> rows_;
};

/// Prints the answer as it is with --json (and answers true), else does nothing.
bool PrintJson(const Context& context, const boost::json::value& value);

/// A request to the server.
struct Question {
  std::string_view method;  ///< "GET"
  std::string target;       ///< "/api/muster/v1/sweeps"
  std::optional<boost::json::value> body = std::nullopt;
  std::string token = {};  ///< who asks; empty: nobody in particular
  std::string hint = {};   ///< what to do when it is not found
};
/// Prints what a server answered: as it is with --json, else as `show` does. An error that `show` finds is printed
/// by Fail, and so is an answer of another shape than `show` expects.
int ShowAnswer(const Context& context, const boost::json::value& answer,
               const std::function<Status(const boost::json::value& answer)>& show);
/// Asks the server and shows what it answers.
int Ask(const Context& context, const Question& question,
        const std::function<Status(const boost::json::value& answer)>& show);

/// Asks the server why something stands where it stands (GET `path`, {"lines": [...]}) and prints it.
int PrintExplanation(const Context& context, const std::string& path);
/// Asks the server to do `verb` to `what` (POST `path`) and says that it is under way, unless --quiet.
int AskFor(const Context& context, const std::string& path, const std::string& what,
           const std::string& verb);

void AddServer(CLI::App& app, Context& context);
void AddAgent(CLI::App& app, Context& context);
/// invite, rotate, revoke and keys, below `muster node`.
void AddNodeKeys(CLI::App& node, Context& context);
void AddNode(CLI::App& app, Context& context);
void AddQuota(CLI::App& app, Context& context);
void AddPool(CLI::App& app, Context& context);
void AddSweep(CLI::App& app, Context& context);
void AddTrial(CLI::App& app, Context& context);
void AddRun(CLI::App& app, Context& context);
void AddModel(CLI::App& app, Context& context);
/// graph, below `muster model`.
void AddModelGraph(CLI::App& model, Context& context);
/// export, pack, verify and tag-git, below `muster model`.
void AddModelExport(CLI::App& model, Context& context);
void AddModelPack(CLI::App& model, Context& context);
void AddModelVerify(CLI::App& model, Context& context);
void AddModelTag(CLI::App& model, Context& context);
/// history; audit; approve, reject, approvals, policy and token, below `muster model`.
void AddModelHistory(CLI::App& model, Context& context);
void AddModelAudit(CLI::App& model, Context& context);
void AddModelApprove(CLI::App& model, Context& context);
/// gates, below `muster model`.
void AddModelGates(CLI::App& model, Context& context);
/// compress, below `muster model`.
void AddModelCompress(CLI::App& model, Context& context);
void AddServe(CLI::App& app, Context& context);
void AddPredict(CLI::App& app, Context& context);
void AddFleet(CLI::App& app, Context& context);
void AddTracker(CLI::App& app, Context& context);
/// add, ls, rm and log, below `muster tracker rule`; search, export, import, gc and ranks, below `muster tracker`.
void AddTrackerRule(CLI::App& tracker, Context& context);
void AddTrackerSearch(CLI::App& tracker, Context& context);
void AddTrackerExport(CLI::App& tracker, Context& context);
void AddTrackerImport(CLI::App& tracker, Context& context);
void AddTrackerGc(CLI::App& tracker, Context& context);
void AddTrackerRanks(CLI::App& tracker, Context& context);
void AddMonitor(CLI::App& app, Context& context);
void AddTrigger(CLI::App& app, Context& context);
void AddCi(CLI::App& app, Context& context);
void AddData(CLI::App& app, Context& context);
void AddDoctor(CLI::App& app, Context& context);
/// Below `muster sweep`.
void AddSweepSearch(CLI::App& sweep, Context& context);
void AddSweepInsight(CLI::App& sweep, Context& context);
void AddSim(CLI::App& app, Context& context);
void AddTuner(CLI::App& app, Context& context);

}  // namespace muster::cli
