// muster model compress
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <chrono>
#include <cmath>
#include <iostream>

#include "registry/compression.h"
#include "runtime/base/random.h"
#include "runtime/cli/model_compress.h"
#include "runtime/wire/codec.h"

namespace muster::cli {
namespace {

using boost::json::object;
using boost::json::value;

struct CompressFlags {
  std::string model, form = "auto", metric;
  std::int64_t calibration = 0;
  std::optional<double> agreement, drop;
};

/// Measuring large models in several forms takes its time.
constexpr std::chrono::minutes kPatience{15};

double NumberAt(const object& fields, std::string_view key) {
  const auto* found = fields.if_contains(key);
  return found != nullptr && found->is_number() ? found->to_number<double>() : std::nan("");
}

std::string Words(const object& fields, std::string_view key) {
  return std::string(fields.at(key).as_string());
}

registry::CompressionChoice TableOf(const object& answer) {
  registry::CompressionChoice choice;
  const std::string form = Words(answer, "form");
  for (const value& entry : answer.at("forms").as_array()) {
    const object& row = entry.as_object();
    if (Words(row, "form") == form) choice.chosen = choice.table.size();
    choice.table.push_back({Words(row, "form"), row.at("bytes").to_number<std::int64_t>(),
                            NumberAt(row, "ms_1"), NumberAt(row, "ms_32"),
                            NumberAt(row, "agreement"), NumberAt(row, "metric"),
                            Words(row, "refused")});
  }
  return choice;
}

/// Refused is an answer too, with an exit code of its own.
int Print(const Context& context, const std::string& name, const object& answer) {
  const auto version = answer.at("version").to_number<std::int64_t>();
  if (!PrintJson(context, answer)) {
    const auto choice = TableOf(answer);
    if (!choice.table.empty()) std::cout << TableText(choice, Words(answer, "metric"));
    if (version == 0) {
      std::cout << "no version was made: " << Words(answer, "reason") << "\n";
    } else {
      std::cout << name << " version " << version << " is version "
                << answer.at("from").to_number<std::int64_t>() << " as " << Words(answer, "form")
                << ": " << Words(answer, "reason") << "\n";
    }
  }
  return version == 0 ? kFailed : kDone;
}

int Compress(const Context& context, const CompressFlags& flags) {
  const auto reference = ParseModelReference(flags.model);
  if (!reference.ok()) return Fail(context, reference.error());
  object body{{"form", flags.form}, {"calibration", flags.calibration}};
  if (!flags.metric.empty()) body["metric"] = flags.metric;
  if (flags.agreement) body["agreement"] = *flags.agreement;
  if (flags.drop) body["drop"] = *flags.drop;
  const auto answer = CompressVersion(context, *reference, std::move(body));
  if (!answer.ok()) return Fail(context, answer.error());
  return Print(context, reference->name, *answer);
}

}  // namespace

Result<object> CompressVersion(const Context& context, const ModelReference& reference,
                               object body) {
  MUSTER_ASSIGN_OR_RETURN(const auto server, context.Connect());
  http::Client client(server.base_url(), kPatience);
  body["request_id"] = RandomHex(16);
  const auto answer =
      client.Json("POST",
                  "/api/muster/v1/models/" + http::PercentEncode(reference.name) + "/versions/" +
                      http::PercentEncode(reference.version) + "/compress",
                  body);
  if (!answer.ok()) return WithHint(answer.error(), kModelHint);
  return wire::FromJson<object>(*answer);
}

void AddModelCompress(CLI::App& model, Context& context) {
  auto flags = std::make_shared<CompressFlags>();
  auto* command = model.add_subcommand(
      "compress", "Make a version of a version's smaller form, judged like any candidate");
  command->add_option("model", flags->model, "NAME@ALIAS or NAME/VERSION")->required();
  command
      ->add_option("--form", flags->form,
                   "auto (the fastest that holds the bound), dynamic, weight-only, engine-dynamic, "
                   "static, fp16 or prune=SHARE")
      ->capture_default_str();
  command->add_option("--calibration", flags->calibration,
                      "Held-out rows that the static form is calibrated with (default: a quarter, "
                      "at most 256); the others judge");
  command->add_option("--metric", flags->metric, "Of the bound (default: the gates' first)");
  command->add_option("--agreement", flags->agreement,
                      "The least share of decisions that must be the same (default 0.99)");
  command->add_option("--drop", flags->drop, "What the metric may lose at most (default 0.01)");
  command->callback(
      [&context, flags] { context.run = [&context, flags] { return Compress(context, *flags); }; });
}

}  // namespace muster::cli
