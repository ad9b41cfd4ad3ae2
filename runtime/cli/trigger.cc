// muster trigger add|ls|rm|fire|log|explain
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <iostream>
#include <memory>

#include "runtime/base/file.h"
#include "runtime/cli/context.h"
#include "runtime/config/sweep_file.h"
#include "runtime/wire/codec.h"

namespace muster::cli {
namespace {

using boost::json::value;

constexpr const char* kTriggers = "/api/muster/v1/triggers";
const std::string kFirings = "/api/muster/v1/firings";

struct TriggerFlags {
  std::string name, file, cron, tz, secret_file, reason;
  std::vector<std::string> set;
  bool force = false;
};

std::string At(const std::string& name, const std::string& verb = "") {
  return std::string(kTriggers) + "/" + http::PercentEncode(name) + verb;
}

/// "fires at 0 3 * * * in Europe/Berlin, on new data, on drift"
std::string Conditions(const wire::RetrainSpec& when) {
  std::string text;
  const auto add = [&](const std::string& condition) {
    text += (text.empty() ? "" : ", ") + condition;
  };
  if (!when.cron.empty()) add("at " + when.cron + (when.tz.empty() ? "" : " in " + when.tz));
  if (!when.data.empty()) add("on new data");
  for (const auto& signal : when.signals) add("on " + signal.kind);
  if (when.webhook) add("on a web hook");
  return text.empty() ? "by hand" : text;
}

int Add(const Context& context, const TriggerFlags& flags) {
  auto file = config::SweepFile::Read(flags.file, flags.set);
  if (!file.ok()) return Fail(context, file.error());
  wire::SweepSpec spec = file->spec();
  wire::RetrainSpec when = spec.retrain.value_or(wire::RetrainSpec());
  spec.retrain.reset();
  if (!flags.cron.empty()) when.cron = flags.cron;
  if (!flags.tz.empty()) when.tz = flags.tz;
  boost::json::object body = wire::ToJson(when).as_object();
  body["name"] = flags.name;
  body["sweep"] = wire::ToJson(spec);
  if (!flags.secret_file.empty()) {
    auto secret = ReadWholeFile(flags.secret_file, 1024);
    if (!secret.ok()) return Fail(context, secret.error());
    while (secret->ends_with('\n') || secret->ends_with('\r')) secret->pop_back();
    body["webhook_secret"] = *secret;
  }
  return Ask(context, {"POST", kTriggers, body}, [&](const value& answer) {
    std::cout << flags.name << ": fires " << Conditions(when) << "; now with: muster trigger fire "
              << flags.name << "\n";
    if (const auto* secret = answer.as_object().if_contains("webhook_secret")) {
      std::cout << "web hook: POST " << At(flags.name, "/webhook") << ", secret "
                << secret->as_string() << " (shown this once)\n";
    }
    return Ok();
  });
}

std::string_view TextOf(const boost::json::object& object, const char* key) {
  const auto* found = object.if_contains(key);
  return found != nullptr && found->is_string() ? std::string_view(found->get_string()) : "";
}

/// "promoted", or the state of what is not decided.
std::string Standing(const boost::json::object& firing) {
  const auto outcome = TextOf(firing, "outcome");
  return std::string(outcome.empty() ? TextOf(firing, "state") : outcome);
}

int List(const Context& context) {
  return Ask(context, {"GET", kTriggers}, [](const value& answer) {
    Table table({"TRIGGER", "CRON", "ENABLED", "NEXT", "LAST SWEEP", "LAST STATE"});
    for (const auto& entry : answer.at("triggers").as_array()) {
      const auto& trigger = entry.as_object();
      const auto& firings = trigger.at("firings").as_array();
      const auto newest = firings.empty() ? boost::json::object() : firings[0].as_object();
      const std::int64_t next = trigger.at("next_ms").to_number<std::int64_t>();
      table.Add({std::string(TextOf(trigger, "name")), std::string(TextOf(trigger, "cron")),
                 boost::json::serialize(trigger.at("enabled")), next == 0 ? "-" : Utc(next),
                 std::string(TextOf(newest, "sweep")), Standing(newest)});
    }
    table.Print();
    return Ok();
  });
}

int Log(const Context& context, const std::string& name) {
  const std::string filter = name.empty() ? "" : "?trigger=" + http::PercentEncode(name);
  return Ask(context, {"GET", kFirings + filter}, [](const value& answer) {
    Table table({"FIRED", "SWEEP", "KIND", "STANDS", "WHY", "DETAIL"});
    for (const auto& entry : answer.at("firings").as_array()) {
      const auto& firing = entry.as_object();
      table.Add({Utc(firing.at("fired_ms").to_number<std::int64_t>()),
                 std::string(TextOf(firing, "sweep")), std::string(TextOf(firing, "kind")),
                 Standing(firing), std::string(TextOf(firing, "why")),
                 std::string(TextOf(firing, "detail"))});
    }
    table.Print();
    return Ok();
  });
}

int Explain(const Context& context, const std::string& id) {
  const Question question{.method = "GET",
                          .target = kFirings + "/" + http::PercentEncode(id),
                          .hint = "muster trigger log lists the retrainings of all triggers"};
  return Ask(context, question, [](const value& answer) {
    const auto& firing = answer.as_object();
    std::cout << TextOf(firing, "sweep") << ": " << Standing(firing);
    if (const auto detail = TextOf(firing, "detail"); !detail.empty()) std::cout << "; " << detail;
    std::cout << "\n";
    for (const auto& line : firing.at("lines").as_array()) {
      std::cout << "  " << std::string_view(line.as_string()) << "\n";
    }
    return Ok();
  });
}

int Remove(const Context& context, const std::string& name) {
  return Ask(context, {"DELETE", At(name)}, [&](const value&) {
    if (!context.quiet) std::cout << name << ": removed\n";
    return Ok();
  });
}

int Fire(const Context& context, const TriggerFlags& flags) {
  const boost::json::object body{{"reason", flags.reason}, {"force", flags.force}};
  int code = kDone;
  const int asked = Ask(context, {"POST", At(flags.name, "/fire"), body}, [&](const value& answer) {
    const auto& firing = answer.as_object();
    const auto state = TextOf(firing, "state");
    if (state == "skipped" || state == "refused") code = kConflicting;
    std::cout << flags.name << ": " << state << " sweep " << TextOf(firing, "sweep");
    if (code != kDone) std::cout << ": " << TextOf(firing, "detail");
    std::cout << "\n";
    return Ok();
  });
  return asked == kDone ? code : asked;
}

}  // namespace

void AddTrigger(CLI::App& app, Context& context) {
  auto* trigger =
      app.add_subcommand("trigger", "Retrain: submit a sweep again, by clock, data, signal or hand")
          ->require_subcommand(1);
  auto flags = std::make_shared<TriggerFlags>();

  auto* add =
      trigger->add_subcommand("add", "Keep a sweep file under a name; replaces the old one");
  add->add_option("name", flags->name, "Its name")->required();
  add->add_option("file", flags->file, "The sweep file")->required();
  add->add_option("--cron", flags->cron,
                  "When, as \"0 3 * * *\"; more conditions and guards: `retrain` in the file");
  add->add_option("--tz", flags->tz, "Of --cron: Europe/Berlin; else UTC");
  add->add_option("--webhook-secret-file", flags->secret_file,
                  "The secret that its web hook is signed with; else one is made and shown");
  add->add_option("--set", flags->set, "Replace a value, as in muster sweep submit")
      ->allow_extra_args(false);
  add->callback(
      [&context, flags] { context.run = [&context, flags] { return Add(context, *flags); }; });

  trigger->add_subcommand("ls", "All triggers with their newest firing")->callback([&context] {
    context.run = [&context] { return List(context); };
  });

  auto* remove = trigger->add_subcommand("rm", "Remove one; its history stays");
  remove->add_option("name", flags->name, "Its name")->required();
  remove->callback([&context, flags] {
    context.run = [&context, flags] { return Remove(context, flags->name); };
  });

  auto* fire = trigger->add_subcommand("fire", "Submit its sweep now");
  fire->add_option("name", flags->name, "Its name")->required();
  fire->add_option("--reason", flags->reason, "Why, for the record");
  fire->add_flag("--force", flags->force, "Whatever its cooldown and its budget say");
  fire->callback(
      [&context, flags] { context.run = [&context, flags] { return Fire(context, *flags); }; });

  auto* log = trigger->add_subcommand("log", "The newest retrainings, and how they stand");
  log->add_option("name", flags->name, "Of this trigger alone");
  log->callback(
      [&context, flags] { context.run = [&context, flags] { return Log(context, flags->name); }; });

  auto* explain = trigger->add_subcommand(
      "explain", "The story of a retraining: what was seen, decided, and why");
  explain->add_option("sweep", flags->name, "Its sweep, as log and ls show it")->required();
  explain->callback([&context, flags] {
    context.run = [&context, flags] { return Explain(context, flags->name); };
  });
}

}  // namespace muster::cli
