#include "registry/approval.h"

#include <algorithm>
#include <boost/json/array.hpp>
#include <charconv>
#include <set>

#include "registry/audit_chain.h"
#include "registry/gate_json.h"
#include "runtime/base/sha256.h"
#include "runtime/wire/codec.h"

namespace muster::registry {
namespace {

constexpr std::string_view kNeverTheAuthor = "never the author";

/// The policy as it is written down.
struct PolicyFile {
  std::string approvals;
  std::map<std::string, std::vector<std::string>> groups;
  std::vector<std::string> guards = {"champion"};
};
BOOST_DESCRIBE_STRUCT(PolicyFile, (), (approvals, groups, guards))

std::string_view Trimmed(std::string_view text) {
  const auto first = text.find_first_not_of(" \t");
  if (first == text.npos) return "";
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

std::string Joined(const std::vector<std::string>& items, std::string_view between) {
  std::string joined;
  for (const std::string& item : items)
    joined += (joined.empty() ? "" : std::string(between)) + item;
  return joined;
}

bool Contains(const std::vector<std::string>& items, std::string_view item) {
  return std::ranges::find(items, item) != items.end();
}

/// "N", "N of [a, b]", each with ", never the author" behind it or not.
Status ParseSentence(std::string_view text, ApprovalPolicy& policy) {
  const auto wrong = [&] {
    return Invalid("at approvals: '" + std::string(text) +
                   "'; wanted as in '2 of [ml-leads], never the author'");
  };
  std::string_view rest = Trimmed(text);
  if (rest.ends_with(kNeverTheAuthor)) {
    rest = Trimmed(rest.substr(0, rest.size() - kNeverTheAuthor.size()));
    if (!rest.ends_with(',')) return wrong();
    rest = Trimmed(rest.substr(0, rest.size() - 1));
    policy.author_may = false;
  }
  const auto [end, failure] =
      std::from_chars(rest.data(), rest.data() + rest.size(), policy.approvals);
  if (failure != std::errc()) return wrong();
  rest = Trimmed(rest.substr(static_cast<std::size_t>(end - rest.data())));
  if (policy.approvals < 0 || policy.approvals > kMostApprovals) {
    return Invalid("at approvals: " + std::to_string(policy.approvals) + "; wanted 0 to " +
                   std::to_string(kMostApprovals));
  }
  if (rest.empty()) return Ok();
  if (!rest.starts_with("of ")) return wrong();
  rest = Trimmed(rest.substr(3));
  if (!rest.starts_with('[') || !rest.ends_with(']')) return wrong();
  for (rest = rest.substr(1, rest.size() - 2); !rest.empty();) {
    const auto comma = std::min(rest.find(','), rest.size());
    const std::string_view group = Trimmed(rest.substr(0, comma));
    if (group.empty()) return wrong();
    policy.of.emplace_back(group);
    rest.remove_prefix(std::min(comma + 1, rest.size()));
  }
  return policy.of.empty() ? Status(wrong()) : Ok();
}

/// Who counts; empty with no groups: everybody.
std::set<std::string> People(const ApprovalPolicy& policy) {
  std::set<std::string> people;
  for (const std::string& group : policy.of) {
    const auto found = policy.groups.find(group);
    if (found != policy.groups.end()) people.insert(found->second.begin(), found->second.end());
  }
  return people;
}

}  // namespace

Result<ApprovalPolicy> PolicyFromJson(const boost::json::value& json) {
  MUSTER_ASSIGN_OR_RETURN(auto file, wire::FromJson<PolicyFile>(json, wire::Unknown::kRefuse));
  ApprovalPolicy policy;
  MUSTER_RETURN_IF_ERROR(ParseSentence(file.approvals, policy));
  policy.groups = std::move(file.groups);
  policy.guards = std::move(file.guards);
  for (const std::string& group : policy.of) {
    if (!policy.groups.contains(group)) {
      return Invalid("at approvals: group '" + group + "' is not among groups");
    }
  }
  const auto people = static_cast<int>(People(policy).size());
  if (!policy.of.empty() && people < policy.approvals) {
    return Invalid("at approvals: " + std::to_string(policy.approvals) + " are wanted of " +
                   std::to_string(people) + " people; name more of them, or want fewer");
  }
  return policy;
}

boost::json::object ToJson(const ApprovalPolicy& policy) {
  return wire::ToJson(PolicyFile{Sentence(policy), policy.groups, policy.guards}).as_object();
}

std::string Sentence(const ApprovalPolicy& policy) {
  std::string text = std::to_string(policy.approvals);
  if (!policy.of.empty()) text += " of [" + Joined(policy.of, ", ") + "]";
  if (!policy.author_may) text += ", " + std::string(kNeverTheAuthor);
  return text;
}

bool Guards(const ApprovalPolicy& policy, std::string_view alias) {
  return Contains(policy.guards, alias);
}

std::string VerdictDigest(const ModelVersion& version, const std::vector<GateVerdict>& verdicts) {
  const std::string text = wire::SerializeJson(
      boost::json::object{{"gates", GatesToJson(verdicts)}, {"source", version.source}});
  const auto canonical = CanonicalJson(text);
  MUSTER_CHECK(canonical.ok(), "what was serialized is JSON");
  return Sha256Hex(*canonical);
}

std::vector<Approval> InForce(const std::vector<Approval>& approvals, std::string_view digest) {
  std::map<std::string, Approval> newest;
  for (const Approval& approval : approvals) {
    if (approval.digest == digest) newest[approval.person] = approval;
  }
  std::vector<Approval> in_force;
  in_force.reserve(newest.size());
  for (auto& [person, approval] : newest) in_force.push_back(std::move(approval));
  return in_force;
}

Status MayDecide(const ApprovalPolicy& policy, std::string_view author, std::string_view person) {
  if (!policy.author_may && person == author) {
    return Fenced("'" + std::string(person) + "' is the author; the policy is " + Sentence(policy));
  }
  const auto people = People(policy);
  if (policy.of.empty() || people.contains(std::string(person))) return Ok();
  return Fenced("'" + std::string(person) + "' is in none of the groups that may; the policy is " +
                Sentence(policy));
}

std::vector<std::string> Unmet(const ApprovalPolicy& policy, const ApprovalCase& of) {
  std::vector<std::string> unmet;
  std::map<std::string, const GateVerdict*> newest;
  for (const GateVerdict& verdict : of.verdicts) newest[verdict.gate] = &verdict;
  for (const auto& [gate, verdict] : newest) {
    if (!verdict->passed) unmet.push_back("gate '" + gate + "' refused it");
  }
  int given = 0;
  for (const Approval& approval : InForce(of.approvals, of.digest)) {
    if (!MayDecide(policy, of.author, approval.person).ok()) continue;
    if (approval.approved) {
      ++given;
    } else {
      unmet.push_back("rejected by '" + approval.person +
                      (approval.reason.empty() ? "'" : "': " + approval.reason));
    }
  }
  if (given < policy.approvals) {
    const bool voided = std::ranges::any_of(
        of.approvals, [&](const Approval& a) { return a.approved && a.digest != of.digest; });
    unmet.push_back(std::to_string(given) + " approvals given, wanted " + Sentence(policy) +
                    (voided ? " (verdicts recorded since voided earlier ones)" : ""));
  }
  return unmet;
}

Error GuardedAlias(std::string_view model, std::string_view alias,
                   const std::vector<std::string>& unmet) {
  return Fenced("alias '" + std::string(alias) + "' of '" + std::string(model) +
                "' is guarded: " + Joined(unmet, "; "));
}

}  // namespace muster::registry
