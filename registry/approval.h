#pragma once

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "registry/model_store.h"
#include "runtime/base/result.h"

/// Who may let a version get a guarded alias. Pure.
///
/// A policy is data, one a model:
///   approvals: 2 of [ml-leads], never the author     # without the last words the author may, too
///   groups: {ml-leads: [ada, grace, linus]}
///   guards: [champion]                               # aliases; champion when absent
///
/// An approval is of a version and of what was known of it: it carries the digest of the version's verdicts, and a
/// verdict recorded later voids it. Of each person the newest word counts.

namespace muster::registry {

struct ApprovalPolicy {
  int approvals = 0;  ///< 0 to kMostApprovals
  bool author_may = true;
  std::vector<std::string> of;  ///< groups; empty: everybody with a token
  std::map<std::string, std::vector<std::string>> groups;
  std::vector<std::string> guards;
  friend bool operator==(const ApprovalPolicy&, const ApprovalPolicy&) = default;
};
inline constexpr int kMostApprovals = 100;

/// kInvalid says what is wrong: an unknown key, a group that is not there or smaller than what is asked of it.
Result<ApprovalPolicy> PolicyFromJson(const boost::json::value& json);
/// What PolicyFromJson reads.
boost::json::object ToJson(const ApprovalPolicy& policy);
/// "2 of [ml-leads], never the author"
std::string Sentence(const ApprovalPolicy& policy);
bool Guards(const ApprovalPolicy& policy, std::string_view alias);

struct Approval {
  std::string person;
  bool approved = false;  ///< false: rejected
  std::string reason;
  std::string digest;  ///< of what was approved: VerdictDigest
  std::int64_t time_ms = 0;
  std::int64_t audit = 0;  ///< sequence of its entry in the audit
};

/// SHA-256 in hex of {"gates", "source"} as canonical JSON: what an approval of the version is about.
std::string VerdictDigest(const ModelVersion& version, const std::vector<GateVerdict>& verdicts);
/// The newest word of each person about `digest`.
std::vector<Approval> InForce(const std::vector<Approval>& approvals, std::string_view digest);
/// kFenced: the author where the policy says never, or who is in none of the groups.
Status MayDecide(const ApprovalPolicy& policy, std::string_view author, std::string_view person);

struct ApprovalCase {
  std::string author;
  std::string digest;
  std::vector<GateVerdict> verdicts;  ///< oldest first; of each gate the newest counts
  std::vector<Approval> approvals;    ///< oldest first
};
/// What still stands between the version and a guarded alias, a phrase each; empty: nothing.
std::vector<std::string> Unmet(const ApprovalPolicy& policy, const ApprovalCase& of);
/// "alias 'champion' of 'digits' is guarded: 1 of 2 approvals ...; ..."
Error GuardedAlias(std::string_view model, std::string_view alias,
                   const std::vector<std::string>& unmet);

}  // namespace muster::registry
