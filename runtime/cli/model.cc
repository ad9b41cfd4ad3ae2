// muster model ls|show|promote|alias|history|audit|export|verify|rollback; model_*.cc have the rest
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
#include "runtime/wire/codec.h"

namespace muster::cli {
namespace {

using boost::json::object;
using boost::json::value;

/// As many entries as the server gives out at once.
constexpr std::size_t kPage = 1'000;

std::string ModelPath(const std::string& name, const std::string& rest = "") {
  return "/api/muster/v1/models/" + http::PercentEncode(name) + rest;
}

/// A member as people read it; "" when it is not there.
std::string Text(const object& fields, std::string_view name) {
  const auto* found = fields.if_contains(name);
  if (found == nullptr || found->is_null()) return "";
  if (found->is_string()) return std::string(found->get_string());
  return found->is_double() ? Short(found->get_double()) : boost::json::serialize(*found);
}

std::string When(const object& fields, std::string_view name) {
  const auto* found = fields.if_contains(name);
  if (found == nullptr || !found->is_int64() || found->get_int64() == 0) return "";
  return Utc(found->get_int64());
}

/// "champion=2 challenger=3"
std::string Aliases(const object& fields) {
  std::string text;
  const auto* aliases = fields.if_contains("aliases");
  if (aliases == nullptr) return text;
  if (aliases->is_array()) {
    for (const auto& alias : aliases->get_array()) {
      text += (text.empty() ? "" : " ") + std::string(alias.as_string());
    }
  } else if (aliases->is_object()) {
    for (const auto& entry : aliases->get_object()) {
      text += (text.empty() ? "" : " ") + std::string(entry.key()) + "=" +
              boost::json::serialize(entry.value());
    }
  }
  return text;
}

/// A table with a row for each element of the array `list`.
void PrintList(const value& answer, std::string_view list, std::vector<std::string> headings,
               const std::function<std::vector<std::string>(const object&)>& row) {
  Table table(std::move(headings));
  for (const auto& entry : answer.at(list).as_array()) table.Add(row(entry.as_object()));
  table.Print();
}

/// Like Ask, of the array `list` at `target`, which the server gives out in pages: `next` is what to add to the
/// target for the page after this one; empty: there is none.
int AskPages(const Context& context, const std::string& target, std::string_view list,
             const std::function<std::string(const object& page)>& next,
             const std::function<Status(const value& answer)>& show) {
  auto client = context.Connect();
  if (!client.ok()) return Fail(context, client.error());
  boost::json::array all;
  object page;
  for (std::string more; page.empty() || !more.empty();) {
    auto answer = client->Json("GET", target + more);
    if (!answer.ok()) return Fail(context, answer.error());
    page = answer->as_object();
    const auto& entries = page.at(list).as_array();
    all.insert(all.end(), entries.begin(), entries.end());
    more = next(page);
  }
  page[list] = std::move(all);
  return ShowAnswer(context, page, show);
}

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
  PrintList(answer, "gates", {"GATE", "VERDICT", "SEEN", "DETAIL"}, [](const object& gate) {
    return std::vector<std::string>{Text(gate, "gate"),
                                    Text(gate, "passed") == "true" ? "passed" : "refused",
                                    Text(gate, "seen"), Text(gate, "detail")};
  });
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
    return Ask(context, {"GET", ModelPath(name)}, PrintModel);
  }
  const auto reference = ParseModelReference(name);
  if (!reference.ok()) return Fail(context, reference.error());
  const std::string version = "/versions/" + http::PercentEncode(reference->version);
  return Ask(context, {"GET", ModelPath(reference->name, version)}, PrintVersion);
}

struct MoveFlags {
  std::string model, alias = "champion", reason;
  std::int64_t version = 0;
  std::optional<std::int64_t> expected;
};

int Move(const Context& context, const MoveFlags& flags, const std::string& verb) {
  object body{{"alias", flags.alias}, {"reason", flags.reason}, {"actor", context.user}};
  if (verb != "rollback") body["version"] = flags.version;
  if (flags.expected) body["expected"] = *flags.expected;
  return Ask(context, {"POST", ModelPath(flags.model, "/" + verb), body}, [&](const value& answer) {
    std::cout << flags.model << "@" << flags.alias << " is now version "
              << Text(answer.as_object(), "version")
              << " (before: " << Text(answer.as_object(), "previous") << ")\n";
    return Ok();
  });
}

int History(const Context& context, const std::string& name) {
  return Ask(context, {"GET", ModelPath(name, "/history")}, [](const value& answer) {
    PrintList(answer, "history", {"FROM", "ALIAS", "VERSION", "BEFORE", "MOVE", "BY", "WHY"},
              [](const object& change) {
                return std::vector<std::string>{When(change, "from_ms"), Text(change, "alias"),
                                                Text(change, "version"), Text(change, "previous"),
                                                Text(change, "move"),    Text(change, "actor"),
                                                Text(change, "reason")};
              });
    return Ok();
  });
}

int Audit(const Context& context, const std::string& name) {
  const std::string target = "/api/muster/v1/audit?limit=" + std::to_string(kPage) +
                             (name.empty() ? "" : "&model=" + http::PercentEncode(name));
  const auto next = [](const object& page) -> std::string {
    const auto& entries = page.at("entries").as_array();
    if (entries.size() < kPage) return "";
    return "&after=" + Text(entries.back().as_object(), "sequence");
  };
  return AskPages(context, target, "entries", next, [](const value& answer) {
    PrintList(answer, "entries", {"NO", "TIME", "BY", "ACTION", "MODEL", "VERSION", "WHY", "HASH"},
              [](const object& entry) {
                return std::vector<std::string>{
                    Text(entry, "sequence"), When(entry, "time_ms"),
                    Text(entry, "actor"),    Text(entry, "action"),
                    Text(entry, "model"),    Text(entry, "version"),
                    Text(entry, "reason"),   Text(entry, "hash").substr(0, 12)};
              });
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
  add("history", "Which version an alias named when, and who moved it", "NAME", true,
      [&context, name] { return History(context, *name); });
  add("audit", "The hash-chained log of every change", "NAME (default: all)", false,
      [&context, name] { return Audit(context, *name); });
  AddModelExport(*model, context);
  AddModelVerify(*model, context);
  AddModelTag(*model, context);
  for (const auto& [verb, help] :
       {std::pair("promote", "Move an alias to a version by compare-and-swap"),
        std::pair("alias", "Set an alias, whatever it names now; version 0 removes it"),
        std::pair("rollback", "Move an alias back to what it named before")}) {
    auto* command = model->add_subcommand(verb, help);
    command->add_option("model", move->model, "NAME")->required();
    if (std::string_view(verb) != "rollback") {
      command->add_option("--version", move->version, "The version")->required();
    }
    if (std::string_view(verb) == "promote") {
      command->add_option("--expected", move->expected,
                          "What the alias must name now (default: what it names when asked)");
    }
    command->add_option("--alias", move->alias, "Which alias")->capture_default_str();
    command->add_option("--reason", move->reason, "Why, for the audit");
    command->callback([&context, move, verb = std::string(verb)] {
      context.run = [&context, move, verb] { return Move(context, *move, verb); };
    });
  }
  AddModelGraph(*model, context);
}

}  // namespace muster::cli
