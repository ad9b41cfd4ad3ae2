// muster ci retrain
#include <boost/json/object.hpp>
#include <chrono>
#include <filesystem>
#include <iostream>
#include <memory>
#include <thread>

#include "runtime/base/file.h"
#include "runtime/cli/ci_report.h"
#include "runtime/cli/context.h"
#include "runtime/cli/follow.h"
#include "runtime/cli/git_state.h"
#include "runtime/config/sweep_file.h"
#include "runtime/wire/sweep_spec.h"

namespace muster::cli {
namespace {

constexpr auto kPoll = std::chrono::milliseconds(500);

struct RetrainFlags {
  std::string what, reason, junit, markdown;
  std::vector<std::string> set;
  bool wait = false, force = false;
};

/// Keeps a sweep file as the trigger of the sweep's name; answers that name.
Result<std::string> KeepAsTrigger(http::Client& client, const RetrainFlags& flags) {
  MUSTER_ASSIGN_OR_RETURN(const auto file, config::SweepFile::Read(flags.what, flags.set));
  wire::SweepSpec spec = file.spec();
  if (!spec.code) spec.code = GitState(std::filesystem::absolute(flags.what).parent_path());
  boost::json::object body = wire::ToJson(spec.retrain.value_or(wire::RetrainSpec())).as_object();
  spec.retrain.reset();
  body["name"] = spec.name;
  body["sweep"] = wire::ToJson(spec);
  const auto kept = client.Json("POST", "/api/muster/v1/triggers", body);
  if (kept.ok()) return spec.name;
  const bool about_spec = kept.error().kind == ErrorKind::kInvalid;
  return about_spec ? file.Explain(kept.error()) : kept.error();
}

/// Until the retraining is over, or waits for people or for a canary: a CI job does not wait for days.
bool IsDecided(const boost::json::object& firing) {
  const auto& state = firing.at("state").as_string();
  return state != "claimed" && state != "submitted" && state != "held";
}

/// nullopt: interrupted.
Result<std::optional<boost::json::object>> Follow(const Context& context, http::Client& client,
                                                  const std::string& sweep) {
  const InterruptNote interrupt;
  auto heard = std::chrono::steady_clock::now();
  std::string told;
  while (!interrupt.seen()) {
    auto answer = client.Json("GET", "/api/muster/v1/firings/" + http::PercentEncode(sweep));
    if (answer.ok()) {
      heard = std::chrono::steady_clock::now();
      const auto& firing = answer->as_object();
      const auto& lines = firing.at("lines").as_array();
      const std::string last = lines.empty() ? "" : std::string(lines.back().as_string());
      if (last != told && !context.quiet && !context.json) std::cerr << last << "\n";
      told = last;
      if (IsDecided(firing)) return std::optional(firing);
    } else if (answer.error().kind != ErrorKind::kUnavailable ||
               std::chrono::steady_clock::now() - heard > kPatience) {
      return answer.error();
    } else if (auto again = context.Connect(); again.ok()) {
      client = std::move(again).value();
    }
    std::this_thread::sleep_for(kPoll);
  }
  return std::optional<boost::json::object>();
}

Status WriteReports(const RetrainFlags& flags, const boost::json::object& firing) {
  if (!flags.junit.empty()) {
    MUSTER_RETURN_IF_ERROR(WriteFileAtomically(flags.junit, JUnitReport(firing)));
  }
  if (flags.markdown.empty()) return Ok();
  return WriteFileAtomically(flags.markdown, MarkdownReport(firing));
}

int Retrain(const Context& context, const RetrainFlags& flags) {
  auto client = context.Connect();
  if (!client.ok()) return Fail(context, client.error());
  std::string name = flags.what;
  if (std::filesystem::exists(flags.what)) {
    auto kept = KeepAsTrigger(*client, flags);
    if (!kept.ok()) return Fail(context, kept.error());
    name = *kept;
  }
  const boost::json::object body{{"reason", flags.reason}, {"force", flags.force}};
  auto fired =
      client->Json("POST", "/api/muster/v1/triggers/" + http::PercentEncode(name) + "/fire", body);
  if (!fired.ok()) {
    return Fail(context, WithHint(fired.error(),
                                  "muster trigger ls lists them; a sweep file "
                                  "makes one, and there is no file of that name"));
  }
  const std::string sweep(fired->at("sweep").as_string());
  auto firing = client->Json("GET", "/api/muster/v1/firings/" + http::PercentEncode(sweep));
  if (!firing.ok()) return Fail(context, firing.error());
  boost::json::object stands = firing->as_object();
  if (flags.wait) {
    auto followed = Follow(context, *client, sweep);
    if (!followed.ok()) return Fail(context, followed.error());
    if (!*followed) {
      std::cerr << sweep << ": goes on; muster trigger explain " << sweep << " shows it\n";
      return kInterrupted;
    }
    stands = std::move(**followed);
  }
  const CiVerdict verdict = VerdictOf(stands);
  if (!PrintJson(context, stands)) {
    std::cout << sweep << ": " << verdict.word
              << (verdict.sentence.empty() ? "" : "; " + verdict.sentence) << "\n";
  }
  const Status written = WriteReports(flags, stands);
  if (written.ok()) return verdict.exit;
  const int code = Fail(context, written.error());
  return verdict.exit == kDone ? code : verdict.exit;
}

}  // namespace

void AddCi(CLI::App& app, Context& context) {
  auto* ci = app.add_subcommand("ci", "What a CI job runs")->require_subcommand(1);
  auto flags = std::make_shared<RetrainFlags>();
  flags->reason = "by CI";
  auto* retrain = ci->add_subcommand("retrain", "Retrain a model, and say how it went");
  retrain
      ->add_option("what", flags->what,
                   "A trigger; or a sweep file, which is kept as the trigger of its name")
      ->required();
  retrain->add_flag("--wait", flags->wait, "Until its gates have decided");
  retrain->add_option("--junit", flags->junit, "Write JUnit XML here: a test case a gate");
  retrain->add_option("--markdown", flags->markdown, "Write a report for people here");
  retrain->add_option("--reason", flags->reason, "Why, for the record");
  retrain->add_flag("--force", flags->force, "Whatever its cooldown and its budget say");
  retrain->add_option("--set", flags->set, "Of a file: replace a value, as in muster sweep submit")
      ->allow_extra_args(false);
  retrain->footer(
      "Exit codes: 0 promoted, or @challenger until its canary has ended, or, without --wait,\n"
      "submitted; 1 gated: a gate refused, or approvals are wanted; 2 usage, or a sweep without a\n"
      "model; 3 no such trigger; 4 held back by a guard: one in flight, cooldown or budget;\n"
      "5 no server; 6 the sweep failed; 130 interrupted, and the retraining goes on.");
  retrain->callback(
      [&context, flags] { context.run = [&context, flags] { return Retrain(context, *flags); }; });
}

}  // namespace muster::cli
