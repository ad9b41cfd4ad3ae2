// muster model audit
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <charconv>
#include <iostream>
#include <memory>

#include "registry/api/json.h"
#include "registry/sqlite/audit_file.h"
#include "runtime/base/csv.h"
#include "runtime/base/file.h"
#include "runtime/cli/model_output.h"
#include "runtime/wire/codec.h"

namespace muster::cli {
namespace {

using boost::json::object;
using boost::json::value;

constexpr const char* kAudit = "/api/muster/v1/audit";

struct AuditFlags {
  std::string model, db, key_file, head, format;
  bool verify = false, public_key = false, every_signature = false;
};

/// Hands all entries, of one model or of all, to `each`: those of a database file, or the server's.
Status ForEachEntry(const Context& context, const AuditFlags& flags,
                    const std::function<void(const object&)>& each) {
  if (!flags.db.empty()) {
    return registry::ForEachAuditEntry(flags.db, [&](const registry::AuditEntry& entry) {
      if (flags.model.empty() || entry.model == flags.model) each(registry::ToJson(entry));
      return Ok();
    });
  }
  MUSTER_ASSIGN_OR_RETURN(auto client, context.Connect());
  const std::string target =
      std::string(kAudit) + "?limit=" + std::to_string(kPage) +
      (flags.model.empty() ? "" : "&model=" + http::PercentEncode(flags.model)) + "&after=";
  for (std::string after = "0";;) {
    MUSTER_ASSIGN_OR_RETURN(const auto page, client.Json("GET", target + after));
    MUSTER_ASSIGN_OR_RETURN(auto answer, wire::FromJson<object>(page));
    MUSTER_ASSIGN_OR_RETURN(const auto entries,
                            wire::FromJson<std::vector<object>>(answer["entries"]));
    for (const object& entry : entries) each(entry);
    if (entries.size() < kPage) return Ok();
    after = Text(entries.back(), "sequence");
  }
}

int List(const Context& context, const AuditFlags& flags) {
  Table table({"NO", "TIME", "BY", "ACTION", "MODEL", "VERSION", "WHY", "HASH"});
  boost::json::array all;
  const Status read = ForEachEntry(context, flags, [&](const object& entry) {
    if (context.json) {
      all.push_back(entry);
      return;
    }
    table.Add({Text(entry, "sequence"), When(entry, "time_ms"), Text(entry, "actor"),
               Text(entry, "action"), Text(entry, "model"), Text(entry, "version"),
               Text(entry, "reason"), Text(entry, "hash").substr(0, 12)});
  });
  if (!read.ok()) return Fail(context, read.error());
  if (!PrintJson(context, object{{"entries", std::move(all)}})) table.Print();
  return kDone;
}

/// One entry a line; JSON as an array. `detail` is the text that was hashed.
int Export(const Context& context, const AuditFlags& flags) {
  constexpr const char* kColumns[] = {"sequence", "time_ms", "time",          "actor",
                                      "action",   "model",   "version",       "reason",
                                      "detail",   "hash",    "previous_hash", "signature"};
  const bool csv = flags.format == "csv";
  std::string begin;
  if (csv) {
    for (const char* column : kColumns) begin += (begin.empty() ? "" : ",") + std::string(column);
    std::cout << begin << "\r\n";
  }
  bool first = true;
  const Status read = ForEachEntry(context, flags, [&](object entry) {
    entry["time"] = When(entry, "time_ms");
    entry["detail"] = wire::SerializeJson(entry.at("detail"));
    std::string line;
    if (csv) {
      for (const char* column : kColumns) {
        if (!line.empty()) line += ',';
        AppendCsv(line, Text(entry, column));
      }
      line += "\r\n";
    } else {
      line = (first ? "[" : ",\n") + wire::SerializeJson(entry);
    }
    first = false;
    std::cout << line;
  });
  if (!csv) std::cout << (first ? "[]\n" : "]\n");
  return read.ok() ? kDone : Fail(context, read.error());
}

Result<registry::AuditHead> ParseHead(const std::string& text) {
  registry::AuditHead head;
  const char* const end = text.data() + text.size();
  const auto read = std::from_chars(text.data(), end, head.sequence);
  if (read.ec == std::errc() && read.ptr != end && *read.ptr == ':' && head.sequence > 0) {
    head.hash.assign(read.ptr + 1, end);
    return head;
  }
  return Invalid("--head is '" + text + "'; wanted NUMBER:HASH, as --verify printed it");
}

Result<object> Verified(const Context& context, const AuditFlags& flags) {
  if (flags.db.empty()) {
    if (!flags.key_file.empty() || !flags.head.empty() || flags.every_signature) {
      return Invalid("--key, --head and --every-signature go with --db, a copy of registry.db");
    }
    MUSTER_ASSIGN_OR_RETURN(auto client, context.Connect());
    MUSTER_ASSIGN_OR_RETURN(const auto answer, client.Json("GET", std::string(kAudit) + "/verify"));
    return wire::FromJson<object>(answer);
  }
  registry::AuditCheck check{.every_signature = flags.every_signature};
  if (!flags.key_file.empty()) {
    MUSTER_ASSIGN_OR_RETURN(const auto pem, ReadWholeFile(flags.key_file, 1 << 16));
    MUSTER_ASSIGN_OR_RETURN(check.key, registry::PublicKey::FromPem(pem));
  }
  if (!flags.head.empty()) {
    MUSTER_ASSIGN_OR_RETURN(check.head, ParseHead(flags.head));
  }
  MUSTER_ASSIGN_OR_RETURN(const auto report, registry::CheckAuditFile(flags.db, check));
  return registry::ToJson(report);
}

int Verify(const Context& context, const AuditFlags& flags) {
  const auto verified = Verified(context, flags);
  if (!verified.ok()) return Fail(context, verified.error());
  const object& report = *verified;
  const bool whole = report.at("ok").as_bool();
  if (!PrintJson(context, report)) {
    if (whole) {
      std::cout << "audit: whole, " << Text(report, "entries") << " entries, "
                << (Text(report, "signed_since") == "0"
                        ? "not signed"
                        : "signed since entry " + Text(report, "signed_since") + " (" +
                              Text(report, "signatures") + " signatures checked)")
                << "\nhead: " << Text(report, "entries") << ":" << Text(report, "head") << "\n";
    } else {
      std::cout << "audit: " << Text(report, "message") << "\n";
    }
  }
  return whole ? kDone : kFailed;
}

int PrintKey(const Context& context) {
  return Ask(context, {"GET", std::string(kAudit) + "/key"}, [](const value& answer) {
    std::cout << Text(answer.as_object(), "public_key");
    return Ok();
  });
}

int Audit(const Context& context, const AuditFlags& flags) {
  if (flags.public_key) return PrintKey(context);
  if (flags.verify) return Verify(context, flags);
  return flags.format.empty() ? List(context, flags) : Export(context, flags);
}

}  // namespace

void AddModelAudit(CLI::App& model, Context& context) {
  auto flags = std::make_shared<AuditFlags>();
  auto* command = model.add_subcommand("audit", "The signed, hash-chained log of every change");
  command->add_option("model", flags->model, "NAME (default: all)");
  command->add_option("--db", flags->db, "A registry.db, or a copy of one; needs no server");
  command->add_flag("--verify", flags->verify,
                    "Find an entry that was edited, removed, moved or added, or a cut end");
  command->add_option("--key", flags->key_file,
                      "With --db: the public key (PEM) that must have signed it (default: the one "
                      "that it names)");
  command->add_option("--head", flags->head,
                      "With --db: NUMBER:HASH of an entry, as printed before; the chain must still "
                      "hold it");
  command->add_flag("--every-signature", flags->every_signature,
                    "With --db: check each entry's own signature, too");
  command->add_flag("--public-key", flags->public_key, "Print the server's key (PEM)");
  command->add_option("--export", flags->format, "Print all for auditors")
      ->check(CLI::IsMember({"csv", "json"}));
  command->callback(
      [&context, flags] { context.run = [&context, flags] { return Audit(context, *flags); }; });
}

}  // namespace muster::cli
