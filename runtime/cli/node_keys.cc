// muster node invite, rotate, revoke, keys
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <iostream>
#include <memory>

#include "runtime/cli/context.h"
#include "runtime/net/keys.h"
#include "runtime/server/endpoint.h"
#include "runtime/wire/codec.h"

namespace muster::cli {
namespace {

struct KeyFlags {
  std::string node, file;
};

std::string PathOf(const std::string& node, const std::string& verb) {
  return "/api/muster/v1/nodes/" + http::PercentEncode(node) + "/" + verb;
}

/// Where and with which key the server listens for agents; the host as the node reaches it, as far as that is
/// known here.
Status ReadAddress(http::Client& client, net::NodeKey& key) {
  MUSTER_ASSIGN_OR_RETURN(const auto json, client.Json("GET", "/api/muster/v1/wire"));
  MUSTER_ASSIGN_OR_RETURN(auto answer, wire::FromJson<boost::json::object>(json));
  MUSTER_ASSIGN_OR_RETURN(key.server_public_key,
                          wire::FromJson<std::string>(answer["server_public_key"]));
  MUSTER_ASSIGN_OR_RETURN(key.endpoint, wire::FromJson<std::string>(answer["endpoint"]));
  MUSTER_ASSIGN_OR_RETURN(const auto any_host, wire::FromJson<bool>(answer["any_host"]));
  const std::string reached = server::HostOf(client.base_url());
  if (any_host && !server::IsLoopback(reached))
    key.endpoint = server::WithHost(key.endpoint, reached);
  return Ok();
}

/// Makes a key pair here, keeps it in the file, and has the server allow its public half. The file comes
/// first: a key that is allowed and lost would have to be revoked by hand.
Result<net::NodeKey> MakeKey(const Context& context, const KeyFlags& flags,
                             const std::string& verb) {
  net::NodeKey key;
  key.node = NodeId(flags.node);
  MUSTER_ASSIGN_OR_RETURN(key.keys, net::MakeKeyPair());
  MUSTER_ASSIGN_OR_RETURN(auto client, context.Connect());
  MUSTER_RETURN_IF_ERROR(ReadAddress(client, key));
  MUSTER_RETURN_IF_ERROR(net::SaveNodeKey(flags.file, key));
  const auto allowed = client.Json("POST", PathOf(flags.node, verb),
                                   boost::json::object{{"public_key", key.keys.public_key}});
  if (allowed.ok()) return key;
  std::error_code ignored;
  std::filesystem::remove(flags.file, ignored);
  return allowed.error();
}

int WriteKey(const Context& context, KeyFlags flags, const std::string& verb) {
  if (flags.file.empty()) flags.file = flags.node + ".key";
  const auto key = MakeKey(context, flags, verb);
  if (!key.ok()) return Fail(context, key.error());
  const boost::json::object json{
      {"node", key->node.value}, {"file", flags.file}, {"endpoint", key->endpoint}};
  if (PrintJson(context, json) || context.quiet) return kDone;
  std::cout << "wrote " << flags.file
            << "; bring it to the node and run there:\n  muster agent join " << key->endpoint
            << " --key " << flags.file << "\n";
  if (server::IsLoopback(server::HostOf(key->endpoint))) {
    std::cout
        << "(only on this machine: the server listens for agents on loopback, see muster server "
           "--agents-host)\n";
  }
  if (verb == "rotate")
    std::cout << "the node's old key holds until the new one is used, or the node is revoked\n";
  return kDone;
}

int Revoke(const Context& context, const std::string& node) {
  return Ask(context, {"POST", PathOf(node, "revoke")}, [&](const boost::json::value& answer) {
    if (!context.quiet) {
      std::cout << "node " << node << ": " << answer.at("keys").as_int64()
                << " key(s) revoked; its trials end within the lease and start elsewhere\n";
    }
    return Ok();
  });
}

std::string TimeText(std::int64_t unix_ms) {
  if (unix_ms == 0) return "-";  // of an earlier version
  return Utc(unix_ms);
}

int ListKeys(const Context& context) {
  return Ask(context, {"GET", "/api/muster/v1/node-keys"}, [](const boost::json::value& answer) {
    Table table({"NODE", "KEY", "ROLE", "ADDED", "USED"});
    for (const auto& key : answer.at("keys").as_array()) {
      const auto text = [&](const char* name) {
        return std::string(std::string_view(key.at(name).as_string()));
      };
      table.Add({text("node"), text("public_key"), text("role"),
                 TimeText(key.at("added_ms").as_int64()), key.at("seen").as_bool() ? "yes" : "no"});
    }
    table.Print();
    return Ok();
  });
}

}  // namespace

void AddNodeKeys(CLI::App& node, Context& context) {
  for (const auto& [verb, what] :
       {std::pair("invite", "Allow a machine to join; writes its key file"),
        std::pair("rotate", "Give a node a second key; the first goes when the second is used")}) {
    auto* command = node.add_subcommand(verb, what);
    auto flags = std::make_shared<KeyFlags>();
    command->add_option("NAME", flags->node, "The node")->required();
    command->add_option("--out", flags->file,
                        "The key file (default NAME.key), made with mode 0600");
    command->callback([&context, flags, verb = verb] {
      context.run = [&context, flags, verb] { return WriteKey(context, *flags, verb); };
    });
  }
  auto* revoke = node.add_subcommand("revoke", "Take a node's keys away; it is cut off at once");
  auto name = std::make_shared<std::string>();
  revoke->add_option("NAME", *name, "The node")->required();
  revoke->callback(
      [&context, name] { context.run = [&context, name] { return Revoke(context, *name); }; });
  node.add_subcommand("keys", "All keys that nodes may join with")->callback([&context] {
    context.run = [&context] { return ListKeys(context); };
  });
}

}  // namespace muster::cli
