// muster model ls|show|promote|alias|rollback; model_*.cc have the rest
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <filesystem>
#include <iostream>
#include <memory>

#include "runtime/cli/context.h"
#include "runtime/cli/model_fetch.h"
#include "runtime/cli/model_graph.h"
#include "runtime/cli/model_lineage.h"
#include "runtime/cli/model_output.h"
#include "runtime/wire/codec.h"

namespace muster::cli {
namespace {

using boost::json::object;
using boost::json::value;

int List(const Context& context) {
  const auto next = [](const object& page) {
    const std::string token = Text(page, "next_page_token");
    return token.empty() ? "" : "&page_token=" + http::PercentEncode(token);
  };
  const std::string target = "/api/muster/v1/models?max_results=" + std::to_string(kPage);
  return AskPages(context, target, "models", next, [](const value& answer) {
    PrintList(answer, "models", {"MODEL", "LATEST", "ALIASES", "UPDATED"}, [](const object& model) {
      return std::vector<std::string>{Text(model, "name"), Text(model, "latest_version"),
                                      Aliases(model), When(model, "updated_ms")};
    });
    return Ok();
  });
}

Status PrintVersion(const value& answer) {
  const object& version = answer.as_object();
  std::cout << Text(version, "name") << " version " << Text(version, "version")
            << (Aliases(version).empty() ? "" : " @" + Aliases(version)) << ", run "
            << Text(version, "run_id") << ", made " << When(version, "created_ms") << "\nsource "
            << Text(version, "source") << "\n";
  PrintGates(answer);
  return Ok();
}

Status PrintModel(const value& answer) {
  std::cout << Text(answer.as_object(), "name") << ": " << Aliases(answer.as_object()) << "\n";
  PrintList(answer, "versions", {"VERSION", "ALIASES", "RUN", "MADE"}, [](const object& version) {
    return std::vector<std::string>{Text(version, "version"), Aliases(version),
                                    Text(version, "run_id"), When(version, "created_ms")};
  });
  return Ok();
}

/// A model with its versions, or one version with its gates.
int Show(const Context& context, const std::string& name) {
  if (name.find_first_of("@/") == std::string::npos) {
    return Ask(context,
               {.method = "GET", .target = ModelPath(name), .hint = std::string(kModelHint)},
               PrintModel);
  }
  const auto reference = ParseModelReference(name);
  if (!reference.ok()) return Fail(context, reference.error());
  const std::string version = "/versions/" + http::PercentEncode(reference->version);
  return Ask(context,
             {.method = "GET",
              .target = ModelPath(reference->name, version),
              .hint = std::string(kModelHint)},
             PrintVersion);
}

struct MoveFlags {
  std::string model, alias = "champion", reason;
  std::int64_t version = 0;
  std::optional<std::int64_t> expected, to;
  bool wait = false;
};

int Move(const Context& context, MoveFlags flags, const std::string& verb) {
  if (const auto at = flags.model.find('@'); at != std::string::npos) {
    flags.alias = flags.model.substr(at + 1);
    flags.model.resize(at);
  }
  object body{{"alias", flags.alias}, {"reason", flags.reason}, {"actor", context.user}};
  if (verb != "rollback") body["version"] = flags.version;
  if (flags.expected) body["expected"] = *flags.expected;
  if (flags.to) body["to"] = *flags.to;
  if (flags.wait) body["wait"] = true;
  const Question question{.method = "POST",
                          .target = ModelPath(flags.model, "/" + verb),
                          .body = body,
                          .hint = std::string(kModelHint)};
  return Ask(context, question, [&](const value& answer) {
    const auto named = [&](std::string_view key) {
      const std::string version = Text(answer.as_object(), key);
      return version == "0" ? "no version" : "version " + version;
    };
    std::cout << flags.model << "@" << flags.alias << " now names " << named("version")
              << " (before: " << named("previous") << ")\n";
    return Ok();
  });
}

}  // namespace

void AddModel(CLI::App& app, Context& context) {
  auto* model = app.add_subcommand("model", "The registry: versions, aliases, gates, audit")
                    ->require_subcommand(1);
  auto name = std::make_shared<std::string>();
  auto move = std::make_shared<MoveFlags>();
  const auto add = [&](const char* verb, const char* help, const char* argument, bool required,
                       std::function<int()> run) {
    auto* command = model->add_subcommand(verb, help);
    if (argument != nullptr) command->add_option("model", *name, argument)->required(required);
    command->callback([&context, run = std::move(run)] { context.run = run; });
    return command;
  };
  add("ls", "All models", nullptr, false, [&context] { return List(context); });
  add("show", "A model's versions, or one version's gates and lineage",
      "NAME, NAME@ALIAS or NAME/VERSION", true, [&context, name] { return Show(context, *name); });
  AddModelLineage(*model, context);
  AddModelExport(*model, context);
  AddModelPack(*model, context);
  AddModelVerify(*model, context);
  AddModelTag(*model, context);
  AddModelCompress(*model, context);
  for (const auto& [verb, help] :
       {std::pair("promote", "Move an alias to a version by compare-and-swap"),
        std::pair("alias", "Set an alias, whatever it names now; version 0 removes it"),
        std::pair("rollback", "Move an alias back to what it named before")}) {
    auto* command = model->add_subcommand(verb, help);
    command->add_option("model", move->model, "NAME or NAME@ALIAS")->required();
    if (std::string_view(verb) != "rollback") {
      command->add_option("--version", move->version, "The version")->required();
    }
    if (std::string_view(verb) == "promote") {
      command->add_option("--expected", move->expected,
                          "What the alias must name now (default: what it names when asked)");
      command->add_flag("--when-approved", move->wait,
                        "Where approvals are wanted: go on by itself with the last of them");
    }
    if (std::string_view(verb) == "rollback") {
      command->add_option("--to", move->to,
                          "A version that it named before (default: one step back)");
    }
    command->add_option("--alias", move->alias, "Which alias")->capture_default_str();
    command->add_option("--reason", move->reason, "Why, for the audit");
    command->callback([&context, move, verb = std::string(verb)] {
      context.run = [&context, move, verb] { return Move(context, *move, verb); };
    });
  }
  AddModelGraph(*model, context);
  AddModelHistory(*model, context);
  AddModelAudit(*model, context);
  AddModelApprove(*model, context);
  AddModelGates(*model, context);
}

}  // namespace muster::cli
