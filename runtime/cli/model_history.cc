// muster model history
#include <boost/json/object.hpp>
#include <charconv>
#include <ctime>
#include <iostream>
#include <memory>

#include "runtime/cli/model_fetch.h"
#include "runtime/cli/model_output.h"

namespace muster::cli {
namespace {

using boost::json::object;
using boost::json::value;

struct HistoryFlags {
  std::string model, alias = "champion", at;
};

/// "2026-11-27T12:00:00Z" (or with a blank, or the date alone), or milliseconds since 1970.
Result<std::int64_t> ParseTime(const std::string& text) {
  std::int64_t ms = 0;
  const char* const end = text.data() + text.size();
  if (const auto read = std::from_chars(text.data(), end, ms);
      read.ec == std::errc() && read.ptr == end) {
    return ms;
  }
  for (const char* format : {"%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%d %H:%M:%SZ", "%Y-%m-%d"}) {
    std::tm parts{};
    const char* rest = strptime(text.c_str(), format, &parts);
    if (rest != nullptr && *rest == '\0') return std::int64_t{timegm(&parts)} * 1000;
  }
  return Invalid("--at is '" + text +
                 "'; wanted a time in UTC as 2026-11-27T12:00:00Z, or milliseconds since 1970");
}

Status PrintServed(const value& answer) {
  const object& served = answer.as_object();
  std::cout << Text(served, "model") << "@" << Text(served, "alias") << " was version "
            << Text(served, "version") << " from " << When(served, "from_ms") << " to "
            << (When(served, "until_ms").empty() ? "now" : When(served, "until_ms"))
            << "\n  let by " << Text(served, "actor") << " (" << Text(served, "move")
            << ", audit entry " << Text(served, "audit") << "): " << Text(served, "reason")
            << "\n  made by " << Text(served, "author") << ", source " << Text(served, "source")
            << "\n";
  PrintGates(answer);
  PrintApprovals(answer);
  return Ok();
}

int History(const Context& context, const HistoryFlags& flags) {
  if (flags.at.empty()) {
    const Question question{.method = "GET",
                            .target = ModelPath(flags.model, "/history"),
                            .hint = std::string(kModelHint)};
    return Ask(context, question, [](const value& answer) {
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
  const auto at = ParseTime(flags.at);
  if (!at.ok()) return Fail(context, at.error());
  const std::string query =
      "/served?alias=" + http::PercentEncode(flags.alias) + "&at_ms=" + std::to_string(*at);
  return Ask(context, {"GET", ModelPath(flags.model, query)}, PrintServed);
}

}  // namespace

void AddModelHistory(CLI::App& model, Context& context) {
  auto flags = std::make_shared<HistoryFlags>();
  auto* command =
      model.add_subcommand("history", "Which version an alias named when, and who moved it");
  command->add_option("model", flags->model, "NAME")->required();
  auto* at = command->add_option(
      "--at", flags->at,
      "What served at this time (UTC, 2026-11-27T12:00:00Z), who let it, on what "
      "evidence");
  command->add_option("--alias", flags->alias, "Of --at")->capture_default_str()->needs(at);
  command->callback(
      [&context, flags] { context.run = [&context, flags] { return History(context, *flags); }; });
}

}  // namespace muster::cli
