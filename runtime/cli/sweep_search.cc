// muster sweep enqueue, widen, verify: what can be asked of a sweep's search
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <iostream>

#include "runtime/cli/context.h"
#include "runtime/config/sweep_file.h"

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
  if (count("by_people") > 0) std::cout << "; " << count("by_people") << " enqueued by people";
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

/// "lr=0.1" -> {"lr": 0.1}; what is no number, true or false is a text.
Result<boost::json::object> ParamsOf(const std::vector<std::string>& words) {
  boost::json::object params;
  for (const std::string& word : words) {
    const auto equals = word.find('=');
    if (equals == std::string::npos || equals == 0) {
      return Invalid("'" + word + "'; wanted NAME=VALUE, as in lr=0.01");
    }
    const std::string text = word.substr(equals + 1);
    boost::json::error_code failed;
    auto value = boost::json::parse(text, failed);
    const bool plain = !failed && !value.is_structured() && !value.is_null();
    params[word.substr(0, equals)] = plain ? std::move(value) : boost::json::value(text);
  }
  return params;
}

int Enqueue(const Context& context, const std::string& id, const std::vector<std::string>& words) {
  auto params = ParamsOf(words);
  if (!params.ok()) return Fail(context, params.error());
  Question question{"POST", "/api/muster/v1/sweeps/" + id + "/enqueue"};
  question.body = boost::json::object{{"params", *params}};
  return Ask(context, question, [&](const boost::json::value&) {
    if (!context.quiet) std::cout << id << ": its next new trial has these parameters\n";
    return Ok();
  });
}

int Widen(const Context& context, const std::string& id, const std::string& path) {
  const auto file = config::SweepFile::Read(path, {});
  if (!file.ok()) return Fail(context, file.error());
  Question question{"POST", "/api/muster/v1/sweeps/" + id + "/space"};
  boost::json::array constraints;
  for (const auto& constraint : file->spec().constraints) constraints.emplace_back(constraint);
  question.body =
      boost::json::object{{"space", file->spec().space}, {"constraints", std::move(constraints)}};
  return Ask(context, question, [&](const boost::json::value&) {
    if (!context.quiet) std::cout << id << ": its next trials come from the wider space\n";
    return Ok();
  });
}

}  // namespace

void AddSweepSearch(CLI::App& sweep, Context& context) {
  auto id = std::make_shared<std::string>();
  auto words = std::make_shared<std::vector<std::string>>();
  auto* enqueue = sweep.add_subcommand(
      "enqueue",
      "Choose the parameters of its next new trial: muster sweep enqueue s-1 lr=0.01 depth=4");
  enqueue->add_option("sweep", *id, "Its id")->required();
  enqueue->add_option("params", *words, "NAME=VALUE of every active parameter")->required();
  enqueue->callback([&context, id, words] {
    context.run = [&context, id, words] { return Enqueue(context, *id, *words); };
  });
  auto path = std::make_shared<std::string>();
  auto* widen = sweep.add_subcommand("widen",
                                     "Go on in the space of a sweep file, which must hold all of "
                                     "the present one: wider ranges, more "
                                     "choices, new parameters");
  widen->add_option("sweep", *id, "Its id")->required();
  widen->add_option("file", *path, "A sweep file; its space and its constraints are taken")
      ->required();
  widen->callback([&context, id, path] {
    context.run = [&context, id, path] { return Widen(context, *id, *path); };
  });
  auto* verify = sweep.add_subcommand(
      "verify",
      "Compute each of its suggestions again from the journal and compare them bit for bit; exit 1 "
      "when one differs");
  verify->add_option("sweep", *id, "Its id")->required();
  verify->callback(
      [&context, id] { context.run = [&context, id] { return Verify(context, *id); }; });
}

}  // namespace muster::cli
