// muster model approve|reject|approvals|policy|token
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <iostream>
#include <memory>

#include "registry/sqlite/model_store.h"
#include "runtime/base/file.h"
#include "runtime/cli/model_fetch.h"
#include "runtime/cli/model_output.h"
#include "runtime/config/policy_file.h"

namespace muster::cli {
namespace {

using boost::json::object;
using boost::json::value;

struct ApproveFlags {
  std::string model, reason, token_file;
};

struct PolicyFlags {
  std::string model, file;
  bool remove = false;
};

std::string VersionPath(const ModelReference& of, const std::string& rest) {
  return ModelPath(of.name, "/versions/" + http::PercentEncode(of.version) + rest);
}

Status PrintState(const value& answer) {
  const object& state = answer.as_object();
  PrintApprovals(answer);
  for (const auto& alias : answer.at("promoted").as_array()) {
    std::cout << "it is now " << std::string_view(alias.as_string()) << "\n";
  }
  std::cout << "digest of its verdicts: " << Text(state, "digest") << "\n";
  for (const auto& unmet : answer.at("unmet").as_array()) {
    std::cout << "missing: " << std::string_view(unmet.as_string()) << "\n";
  }
  return Ok();
}

/// MUSTER_TOKEN, or the file's first line.
Result<std::string> ReadToken(const std::string& file) {
  if (file.empty()) return EnvironmentVariable("MUSTER_TOKEN").value_or("");
  MUSTER_ASSIGN_OR_RETURN(std::string token, ReadWholeFile(file, 4096));
  token.resize(std::min(token.find_first_of("\r\n"), token.size()));
  return token;
}

int Decide(const Context& context, const ApproveFlags& flags, const std::string& verb) {
  const auto reference = ParseModelReference(flags.model);
  if (!reference.ok()) return Fail(context, reference.error());
  const auto token = ReadToken(flags.token_file);
  if (!token.ok()) return Fail(context, token.error());
  return Ask(context,
             {"POST", VersionPath(*reference, "/" + verb), object{{"reason", flags.reason}}, *token,
              std::string(kModelHint)},
             PrintState);
}

int Approvals(const Context& context, const std::string& model) {
  const auto reference = ParseModelReference(model);
  if (!reference.ok()) return Fail(context, reference.error());
  return Ask(context,
             {.method = "GET",
              .target = VersionPath(*reference, "/approvals"),
              .hint = std::string(kModelHint)},
             PrintState);
}

/// The registry of the home. Policies and people are changed by whoever may write it, and by nobody over HTTP.
Result<std::unique_ptr<registry::SqliteModelStore>> OpenOwn(const Context& context) {
  return registry::SqliteModelStore::OpenSigned(context.Home() / "registry.db", SystemClock());
}

Status SetPolicy(const Context& context, const PolicyFlags& flags) {
  std::optional<registry::ApprovalPolicy> policy;
  if (!flags.remove) {
    MUSTER_ASSIGN_OR_RETURN(policy, config::ReadPolicyFile(flags.file));
  }
  MUSTER_ASSIGN_OR_RETURN(const auto store, OpenOwn(context));
  return store->SetPolicy(flags.model, policy, {context.user, "from " + flags.file});
}

int Policy(const Context& context, const PolicyFlags& flags) {
  if (!flags.file.empty() || flags.remove) {
    const Status status = SetPolicy(context, flags);
    if (!status.ok()) return Fail(context, status.error());
    if (!context.quiet)
      std::cout << flags.model << ": policy " << (flags.remove ? "removed" : "set") << "\n";
    return kDone;
  }
  return Ask(context, {"GET", ModelPath(flags.model, "/policy")}, [&](const value& answer) {
    const auto& policy = answer.at("policy");
    if (policy.is_null()) {
      std::cout << flags.model << ": no policy; nothing is guarded\n";
      return Ok();
    }
    for (const auto& member : policy.as_object()) {
      std::cout << std::string_view(member.key()) << ": "
                << (member.value().is_string() ? std::string(member.value().get_string())
                                               : boost::json::serialize(member.value()))
                << "\n";
    }
    return Ok();
  });
}

int Token(const Context& context, const std::string& verb, const std::string& person) {
  const auto store = OpenOwn(context);
  if (!store.ok()) return Fail(context, store.error());
  const registry::Actor actor{context.user, ""};
  if (verb == "revoke") {
    const Status status = (*store)->RevokeTokens(person, actor);
    if (!status.ok()) return Fail(context, status.error());
    if (!context.quiet) std::cout << person << ": no token any more\n";
    return kDone;
  }
  const auto token = (*store)->AddToken(person, actor);
  if (!token.ok()) return Fail(context, token.error());
  if (!PrintJson(context, object{{"person", person}, {"token", *token}})) {
    std::cout << *token << "\n";
  }
  return kDone;
}

void AddToken(CLI::App& model, Context& context) {
  auto* token = model
                    .add_subcommand("token",
                                    "Who may approve: tokens, given out on the server's "
                                    "machine")
                    ->require_subcommand(1);
  auto person = std::make_shared<std::string>();
  for (const auto& [verb, help] :
       {std::pair("add", "A new token of a person or a CI job, shown this once"),
        std::pair("revoke", "End all tokens of a person")}) {
    auto* command = token->add_subcommand(verb, help);
    command->add_option("person", *person, "Name, as in the policies' groups")->required();
    command->callback([&context, person, verb = std::string(verb)] {
      context.run = [&context, person, verb] { return Token(context, verb, *person); };
    });
  }
}

}  // namespace

void AddModelApprove(CLI::App& model, Context& context) {
  auto flags = std::make_shared<ApproveFlags>();
  for (const auto& [verb, help] :
       {std::pair("approve", "Approve a version, as the person of MUSTER_TOKEN"),
        std::pair("reject", "Reject a version, as the person of MUSTER_TOKEN")}) {
    auto* command = model.add_subcommand(verb, help);
    command->add_option("model", flags->model, "NAME/VERSION or NAME@ALIAS")->required();
    auto* reason = command->add_option("--reason", flags->reason, "Why, for the audit");
    reason->required(std::string_view(verb) == "reject");
    command->add_option("--token-file", flags->token_file, "Instead of MUSTER_TOKEN");
    command->callback([&context, flags, verb = std::string(verb)] {
      context.run = [&context, flags, verb] { return Decide(context, *flags, verb); };
    });
  }
  auto* approvals =
      model.add_subcommand("approvals", "Who approved a version, and what is missing");
  approvals->add_option("model", flags->model, "NAME/VERSION or NAME@ALIAS")->required();
  approvals->callback([&context, flags] {
    context.run = [&context, flags] { return Approvals(context, flags->model); };
  });
  auto policy_flags = std::make_shared<PolicyFlags>();
  auto* policy = model.add_subcommand("policy",
                                      "Which aliases are guarded, and who lets a version "
                                      "get one");
  policy->add_option("model", policy_flags->model, "NAME")->required();
  auto* set = policy->add_option("--set", policy_flags->file,
                                 "A YAML file: approvals, groups, guards. On the server's machine");
  policy->add_flag("--remove", policy_flags->remove, "Guard nothing any more")->excludes(set);
  policy->callback([&context, policy_flags] {
    context.run = [&context, policy_flags] { return Policy(context, *policy_flags); };
  });
  AddToken(model, context);
}

}  // namespace muster::cli
