// muster sweep verify: what can be asked of a sweep's search
#include <boost/json/serialize.hpp>
#include <iostream>

#include "runtime/cli/context.h"

namespace muster::cli {
namespace {

int Verify(const Context& context, const std::string& id) {
  auto client = context.Connect();
  if (!client.ok()) return Fail(context, client.error());
  const auto answer = client->Json("GET", "/api/muster/v1/sweeps/" + id + "/verify");
  if (!answer.ok()) return Fail(context, answer.error());
  const auto count = [&](const char* key) { return answer->at(key).to_number<std::int64_t>(); };
  const auto& differences = answer->at("differences").as_array();
  const int code = differences.empty() ? kDone : kFailed;
  if (PrintJson(context, *answer)) return code;
  std::cout << id << ": " << count("verified") << " of " << count("trials")
            << " suggestions are bit for bit what the journal gives";
  if (count("by_people") > 0) std::cout << "; " << count("by_people") << " were enqueued";
  if (count("other_version") > 0) {
    std::cout << "; " << count("other_version") << " are another release's and were not compared";
  }
  std::cout << "\n";
  for (const auto& difference : differences) {
    std::cout << "trial " << difference.at("trial") << ": recorded "
              << boost::json::serialize(difference.at("recorded")) << ", computed "
              << boost::json::serialize(difference.at("computed")) << " "
              << std::string_view(difference.at("message").as_string()) << "\n";
  }
  return code;
}

}  // namespace

void AddSweepSearch(CLI::App& sweep, Context& context) {
  auto id = std::make_shared<std::string>();
  auto* verify = sweep.add_subcommand(
      "verify",
      "Compute each of its suggestions again from the journal and compare them bit for bit; exit 1 "
      "when one differs");
  verify->add_option("sweep", *id, "Its id")->required();
  verify->callback(
      [&context, id] { context.run = [&context, id] { return Verify(context, *id); }; });
}

}  // namespace muster::cli
