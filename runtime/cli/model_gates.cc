// muster model gates
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <iostream>
#include <memory>

#include "registry/model_store.h"
#include "runtime/base/file.h"
#include "runtime/cli/context.h"

namespace muster::cli {
namespace {

struct GateFlags {
  std::string model, file, reason;
  bool clear = false;
};

Status Print(const boost::json::value& answer) {
  const std::string_view text = answer.at("text").as_string();
  if (text.empty()) {
    std::cout << "no gates of its own\n";
    return Ok();
  }
  Table table({"GATE"});
  for (const auto& gate : answer.at("gates").as_array()) {
    table.Add({std::string(gate.at("name").as_string())});
  }
  table.Print();
  std::cout << "\nset " << Utc(answer.at("from_ms").as_int64()) << " by "
            << std::string_view(answer.at("actor").as_string()) << ": "
            << std::string_view(answer.at("reason").as_string()) << "; "
            << answer.at("history").as_array().size() << " in its history\n\n"
            << text << (text.ends_with('\n') ? "" : "\n");
  return Ok();
}

int Run(const Context& context, const GateFlags& flags) {
  const std::string target = "/api/muster/v1/models/" + http::PercentEncode(flags.model) + "/gates";
  if (flags.file.empty() && !flags.clear) return Ask(context, {"GET", target}, Print);
  std::string text;
  if (!flags.clear) {
    auto read = ReadWholeFile(flags.file, registry::kGateFileBytesMost);
    if (!read.ok()) return Fail(context, read.error());
    text = std::move(read).value();
    if (text.empty()) {
      return Fail(context, Invalid(flags.file + ": empty; --clear takes a model's gates away"));
    }
  }
  const boost::json::object body{
      {"text", text}, {"file", flags.file}, {"reason", flags.reason}, {"actor", context.user}};
  return Ask(context, {"POST", target, body}, Print);
}

}  // namespace

void AddModelGates(CLI::App& model, Context& context) {
  auto flags = std::make_shared<GateFlags>();
  auto* command = model.add_subcommand(
      "gates", "What every candidate of a model must show, beside its sweep's gates");
  command->add_option("model", flags->model, "NAME")->required();
  auto* set =
      command->add_option("--set", flags->file, "Put this file in force (YAML, gates: [...])");
  command->add_flag("--clear", flags->clear, "Take the file in force away")->excludes(set);
  command->add_option("--reason", flags->reason, "Why, for the audit");
  command->callback(
      [&context, flags] { context.run = [&context, flags] { return Run(context, *flags); }; });
}

}  // namespace muster::cli
