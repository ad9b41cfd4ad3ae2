// muster trigger add|ls|rm|fire
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <iostream>
#include <memory>

#include "runtime/cli/context.h"
#include "runtime/config/sweep_file.h"
#include "runtime/wire/codec.h"

namespace muster::cli {
namespace {

using boost::json::value;

constexpr const char* kTriggers = "/api/muster/v1/triggers";

struct TriggerFlags {
  std::string name, file, cron, reason;
  std::vector<std::string> set;
};

std::string At(const std::string& name, const std::string& verb = "") {
  return std::string(kTriggers) + "/" + http::PercentEncode(name) + verb;
}

int Add(const Context& context, const TriggerFlags& flags) {
  auto file = config::SweepFile::Read(flags.file, flags.set);
  if (!file.ok()) return Fail(context, file.error());
  const boost::json::object body{
      {"name", flags.name}, {"sweep", wire::ToJson(file->spec())}, {"cron", flags.cron}};
  return Ask(context, {"POST", kTriggers, body}, [&](const value&) {
    std::cout << flags.name << (flags.cron.empty() ? ": fires by hand" : ": fires at " + flags.cron)
              << "; now with: muster trigger fire " << flags.name << "\n";
    return Ok();
  });
}

int List(const Context& context) {
  return Ask(context, {"GET", kTriggers}, [](const value& answer) {
    Table table({"TRIGGER", "CRON", "ENABLED", "LAST SWEEP", "LAST STATE"});
    for (const auto& entry : answer.at("triggers").as_array()) {
      const auto& trigger = entry.as_object();
      std::string sweep, state;
      if (const auto* firings = trigger.if_contains("firings");
          firings != nullptr && firings->is_array() && !firings->get_array().empty()) {
        const auto& newest = firings->get_array()[0].as_object();
        if (const auto* found = newest.if_contains("sweep")) sweep = found->as_string();
        if (const auto* found = newest.if_contains("state")) state = found->as_string();
      }
      table.Add({std::string(trigger.at("name").as_string()),
                 std::string(trigger.at("cron").as_string()),
                 boost::json::serialize(trigger.at("enabled")), sweep, state});
    }
    table.Print();
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
  const boost::json::object body{{"reason", flags.reason}};
  return Ask(context, {"POST", At(flags.name, "/fire"), body}, [&](const value& answer) {
    const auto* sweep = answer.as_object().if_contains("sweep");
    std::cout << flags.name << ": submitted sweep "
              << (sweep != nullptr && sweep->is_string() ? std::string(sweep->get_string()) : "?")
              << "\n";
    return Ok();
  });
}

}  // namespace

void AddTrigger(CLI::App& app, Context& context) {
  auto* trigger =
      app.add_subcommand("trigger", "Submit a sweep again, by the clock or by hand (retraining)")
          ->require_subcommand(1);
  auto flags = std::make_shared<TriggerFlags>();

  auto* add =
      trigger->add_subcommand("add", "Keep a sweep file under a name; replaces the old one");
  add->add_option("name", flags->name, "Its name")->required();
  add->add_option("file", flags->file, "The sweep file")->required();
  add->add_option("--cron", flags->cron, "When, as \"0 3 * * *\" (UTC); none: by hand only");
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
  fire->callback(
      [&context, flags] { context.run = [&context, flags] { return Fire(context, *flags); }; });
}

}  // namespace muster::cli
