// muster model lineage NAME@ALIAS | --data DIGEST | --commit SHA | --sweep ID
#include "runtime/cli/model_lineage.h"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <iostream>
#include <memory>

#include "runtime/cli/model_fetch.h"

namespace muster::cli {
namespace {

struct LineageFlags {
  std::string model, data, commit, sweep;
};

std::string Text(const boost::json::value& value) {
  if (value.is_double()) return Short(value.get_double());
  return value.is_string() ? std::string(value.get_string()) : boost::json::serialize(value);
}

/// A line for each thing: "data.train    /d/train.h5".
void AddLines(Table& table, const std::string& key, const boost::json::value& value) {
  if (!value.is_object()) {
    const std::string text = Text(value);
    if (!text.empty() && text != "[]") table.Add({key, text});
    return;
  }
  for (const auto& entry : value.get_object()) {
    AddLines(table, key.empty() ? std::string(entry.key()) : key + "." + std::string(entry.key()),
             entry.value());
  }
}

int Up(const Context& context, const std::string& model) {
  const auto reference = ParseModelReference(model);
  if (!reference.ok()) return Fail(context, reference.error());
  const std::string target = "/api/muster/v1/models/" + http::PercentEncode(reference->name) +
                             "/versions/" + http::PercentEncode(reference->version) + "/lineage";
  const Question question{.method = "GET", .target = target, .hint = std::string(kModelHint)};
  return Ask(context, question, [](const boost::json::value& answer) {
    std::cout << Text(answer.at("model")) << " version " << Text(answer.at("version"))
              << ", as entry " << Text(answer.at("audit")) << " of the audit has it\n";
    Table table({"FROM", "WHAT"});
    AddLines(table, "", answer.at("lineage"));
    table.Print();
    return Ok();
  });
}

int Down(const Context& context, const LineageFlags& flags) {
  std::string target = "/api/muster/v1/lineage?";
  for (const auto& [key, value] :
       {std::pair("data", &flags.data), std::pair("commit", &flags.commit),
        std::pair("sweep", &flags.sweep)}) {
    if (!value->empty()) target += std::string(key) + "=" + http::PercentEncode(*value);
  }
  return Ask(context, {"GET", target}, [](const boost::json::value& answer) {
    Table table({"MODEL", "VERSION", "ALIASES", "SWEEP", "TRIAL", "COMMIT", "MADE"});
    for (const auto& entry : answer.at("versions").as_array()) {
      const auto& version = entry.as_object();
      const auto& tags = version.at("tags").as_object();
      const auto tag = [&](std::string_view key) {
        const auto* found = tags.if_contains(key);
        return found == nullptr ? std::string() : Text(*found);
      };
      std::string aliases;
      for (const auto& alias : version.at("aliases").as_array()) {
        aliases += (aliases.empty() ? "" : " ") + Text(alias);
      }
      table.Add({Text(version.at("name")), Text(version.at("version")), aliases,
                 tag("muster.sweep"), tag("muster.trial"), tag("muster.commit").substr(0, 12),
                 Utc(version.at("created_ms").as_int64())});
    }
    table.Print();
    return Ok();
  });
}

}  // namespace

void AddModelLineage(CLI::App& model, Context& context) {
  auto* command = model.add_subcommand(
      "lineage", "All that a version came from, or all versions that came from something");
  auto flags = std::make_shared<LineageFlags>();
  command->add_option("model", flags->model, "NAME@ALIAS or NAME/VERSION");
  command->add_option("--data", flags->data, "A dataset's SHA-256, or how it begins");
  command->add_option("--commit", flags->commit, "A Git commit, or how it begins");
  command->add_option("--sweep", flags->sweep, "A sweep");
  command->require_option(1);
  command->callback([&context, flags] {
    context.run = [&context, flags] {
      return flags->model.empty() ? Down(context, *flags) : Up(context, flags->model);
    };
  });
}

}  // namespace muster::cli
