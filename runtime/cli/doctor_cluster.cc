#include "runtime/cli/doctor_cluster.h"

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <chrono>
#include <filesystem>
#include <iostream>
#include <span>
#include <thread>

#include "cluster/local/probe_folder.h"
#include "runtime/base/random.h"
#include "runtime/cli/follow.h"
#include "runtime/cli/log_tail.h"
#include "runtime/cli/trial_path.h"
#include "runtime/cli/version.h"
#include "runtime/coordinator/node_label.h"
#include "runtime/wire/api.h"
#include "runtime/wire/codec.h"
#include "runtime/wire/sweep_spec.h"

namespace muster::cli {
namespace {

using namespace std::chrono_literals;
using cluster::Round;
using std::chrono::steady_clock;

constexpr auto kStartPatience = 20s;  // for a free slot
constexpr auto kLookEvery = 50ms;

/// A trial that runs `muster probe`.
struct Probe {
  std::string sweep, path;
  std::unique_ptr<LogTail> out;
  std::string output;
  wire::TrialDetail detail;
  steady_clock::time_point submitted;
  Error error;  ///< why it could not be submitted or asked about

  [[nodiscard]] bool failed() const { return !error.message.empty(); }
  [[nodiscard]] bool over() const { return failed() || wire::IsFinal(detail.trial.state); }
  /// The first line that it printed, as JSON; nothing before it is whole.
  [[nodiscard]] std::optional<boost::json::value> answer() const {
    const auto end = output.find('\n');
    if (end == std::string::npos) return std::nullopt;
    auto json = wire::ParseJson(std::string_view(output).substr(0, end));
    return json.ok() ? std::optional(std::move(json).value()) : std::nullopt;
  }
  [[nodiscard]] std::string why() const {
    if (failed()) return error.message;
    if (detail.attempts.empty()) return "found no free slot in time";
    return detail.trial.message.empty() ? "did not end in time (" + detail.trial.state + ")"
                                        : detail.trial.message;
  }
};

/// Two probes that meet.
struct Meeting {
  int from = 0, to = 0;
  Probe listener, caller;
  bool called = false;
};

class ClusterDoctor {
 public:
  ClusterDoctor(const Context& context, http::Client client, steady_clock::time_point deadline)
      : context_(context), client_(std::move(client)), deadline_(deadline) {}

  Status Look();
  [[nodiscard]] const cluster::ClusterFacts& facts() const { return facts_; }
  [[nodiscard]] bool interrupted() const { return interrupt_.seen(); }
  [[nodiscard]] int pairs_left() const { return pairs_left_; }

 private:
  Status AskForNodes();
  void LookAtNodes();
  void LookAtPairs();
  void Meet(const Round& pairs, std::span<const Round> later);
  Probe Submit(const std::string& node, std::vector<std::string> arguments);
  void Update(Probe& probe);
  void Cancel(Probe& probe);
  [[nodiscard]] bool Late(const Probe& probe) const;
  [[nodiscard]] bool OutOfTime() const {
    return interrupt_.seen() || steady_clock::now() > deadline_;
  }
  void Say(const std::string& text) const {
    if (!context_.quiet) std::cerr << "muster: " << text << std::endl;
  }

  const Context& context_;
  http::Client client_;
  steady_clock::time_point deadline_;
  InterruptNote interrupt_;
  const std::string id_ = RandomHex(4);
  int probes_ = 0;
  int pairs_left_ = 0;
  cluster::ClusterFacts facts_;
  /// The server's own, where this is the server's home.
  std::optional<cluster::local::ProbeFolder> folder_;
  std::vector<int> well_;  ///< of facts_.nodes, those whose probe answered
};

Status ClusterDoctor::Look() {
  facts_.muster = VersionText();
  if (context_.server.empty()) folder_.emplace(context_.Home() / "checkpoints", id_);
  MUSTER_RETURN_IF_ERROR(AskForNodes());
  LookAtNodes();
  LookAtPairs();
  return Ok();
}

Status ClusterDoctor::AskForNodes() {
  MUSTER_ASSIGN_OR_RETURN(const auto answer, client_.Json("GET", "/api/muster/v1/nodes"));
  for (const auto& entry : answer.at("nodes").as_array()) {
    MUSTER_ASSIGN_OR_RETURN(const auto node, wire::NodeSummaryFromJson(entry));
    facts_.nodes.push_back({.node = node.id, .state = node.state, .reason = node.reason});
  }
  if (!facts_.nodes.empty()) return Ok();
  return NotFound("the server at " + client_.base_url() +
                  " has no nodes; start one (muster node invite, muster agent join), or the server "
                  "with --slots");
}

Probe ClusterDoctor::Submit(const std::string& node, std::vector<std::string> arguments) {
  wire::SweepSpec spec;
  spec.name = "doctor";
  spec.trial.command = {"muster", "probe"};
  spec.trial.command.insert(spec.trial.command.end(), arguments.begin(), arguments.end());
  spec.trial.command.insert(spec.trial.command.end(), {"--id", id_, "--node", node});
  spec.trial.labels = {{coordinator::kNodeLabel, node}};
  spec.budget.trials = 1;
  spec.sampler = "random";
  spec.retry.infra = 0;
  Probe probe{.sweep = "doctor-" + id_ + "-" + std::to_string(probes_++),
              .submitted = steady_clock::now()};
  probe.path = *TrialPath(probe.sweep + "/0");
  probe.out = std::make_unique<LogTail>(probe.path, 0, "out");
  const auto answer =
      client_.Json("POST", "/api/muster/v1/sweeps",
                   boost::json::object{
                       {"id", probe.sweep}, {"spec", wire::ToJson(spec)}, {"user", context_.user}});
  if (!answer.ok()) probe.error = answer.error();
  return probe;
}

void ClusterDoctor::Update(Probe& probe) {
  if (probe.over()) return;
  const auto answer = client_.Json("GET", probe.path);
  const auto detail =
      answer.ok() ? wire::TrialDetailFromJson(*answer) : Result<wire::TrialDetail>(answer.error());
  if (!detail.ok()) {
    // Not made yet right after the submission.
    if (detail.error().kind != ErrorKind::kNotFound) probe.error = detail.error();
    return;
  }
  probe.detail = *detail;
  for (bool more = true; more;) {
    const auto bytes = probe.out->Next(client_, probe.detail.attempts);
    more = bytes.ok() && !bytes->empty();
    if (more) probe.output += *bytes;
  }
}

/// One that found no slot, or that does not end.
bool ClusterDoctor::Late(const Probe& probe) const {
  const auto now = steady_clock::now();
  return now > deadline_ ||
         (probe.detail.attempts.empty() && now > probe.submitted + kStartPatience);
}

void ClusterDoctor::Cancel(Probe& probe) {
  if (probe.sweep.empty() || probe.over()) return;
  (void)client_.Json("POST", "/api/muster/v1/sweeps/" + probe.sweep + "/cancel");
}

void ClusterDoctor::LookAtNodes() {
  std::vector<std::pair<int, Probe>> probes;
  const auto up = std::ranges::count(facts_.nodes, "up", &cluster::NodeSeen::state);
  std::vector<std::string> arguments{"node"};
  if (up == 1 && !folder_) arguments.emplace_back("--last");  // nobody comes after it
  for (int i = 0; i < static_cast<int>(facts_.nodes.size()); ++i) {
    const auto& node = facts_.nodes[static_cast<std::size_t>(i)];
    if (node.state == "up") probes.emplace_back(i, Submit(node.node, arguments));
  }
  Say("looking at " + std::to_string(probes.size()) + " of " + std::to_string(facts_.nodes.size()) +
      " nodes");
  bool waiting = !probes.empty();
  while (waiting && !interrupt_.seen()) {
    waiting = false;
    for (auto& [index, probe] : probes) {
      Update(probe);
      waiting = waiting || (!probe.over() && !Late(probe));
    }
    if (waiting) std::this_thread::sleep_for(kLookEvery);
  }
  for (auto& [index, probe] : probes) {
    Cancel(probe);
    auto& node = facts_.nodes[static_cast<std::size_t>(index)];
    const auto answer = probe.answer();
    auto seen = answer ? cluster::NodeFactsFromJson(*answer)
                       : Result<cluster::NodeFacts>(Unavailable(probe.why()));
    if (!seen.ok()) {
      node.reason = seen.error().message;
      continue;
    }
    node.facts = std::move(seen).value();
    node.created_ms = probe.detail.attempts.front().created_ms;
    node.ended_ms = std::max(probe.detail.attempts.front().ended_ms, node.created_ms);
    if (folder_) node.in_servers_folder = folder_->Sees(node.node);
    well_.push_back(index);
  }
}

void ClusterDoctor::LookAtPairs() {
  const auto rounds = cluster::Rounds(static_cast<int>(well_.size()));
  const auto held = std::min<std::size_t>(rounds.size(), kRoundsMost);
  for (std::size_t round = 0; round < rounds.size(); ++round) {
    if (round >= held || OutOfTime()) {
      pairs_left_ += static_cast<int>(rounds[round].size());
      continue;
    }
    Say("pairs, round " + std::to_string(round + 1) + " of " + std::to_string(held));
    const auto left = std::span(rounds).subspan(round + 1, held - round - 1);
    Meet(rounds[round], left);
  }
  if (!folder_) return;
  for (const auto& node : facts_.nodes) folder_->Leave(node.node);  // of probes that could not
}

void ClusterDoctor::Meet(const Round& pairs, std::span<const Round> later) {
  const auto name = [&](int place) -> const std::string& {
    return facts_.nodes[static_cast<std::size_t>(well_[static_cast<std::size_t>(place)])].node;
  };
  // A node's last probe takes its token away.
  const auto with = [&](int place, std::vector<std::string> arguments) {
    const bool again = std::ranges::any_of(later, [&](const Round& round) {
      return std::ranges::any_of(
          round, [&](const auto& pair) { return pair.first == place || pair.second == place; });
    });
    if (!again) arguments.emplace_back("--last");
    return arguments;
  };
  std::vector<Meeting> meetings;
  for (const auto& [from, to] : pairs) {
    meetings.push_back({.from = from, .to = to});
    meetings.back().listener = Submit(name(to), with(to, {"listen"}));
  }
  for (bool waiting = true; waiting && !interrupt_.seen();) {
    waiting = false;
    for (Meeting& one : meetings) {
      Update(one.listener);
      const auto listens = one.listener.answer();
      if (!one.called && listens) {
        one.called = true;
        one.caller =
            Submit(name(one.from),
                   with(one.from,
                        {"call", "--peer", name(one.to), "--address",
                         std::string(listens->at("address").as_string()), "--port",
                         std::to_string(listens->at("port").as_int64()), "--patience-ms", "3000"}));
      }
      if (one.called) Update(one.caller);
      const Probe& slower = one.called ? one.caller : one.listener;
      waiting = waiting || (!slower.over() && !Late(slower));
    }
    if (waiting) std::this_thread::sleep_for(kLookEvery);
  }
  for (Meeting& one : meetings) {
    Cancel(one.listener);
    Cancel(one.caller);
    const auto answer = one.caller.answer();
    auto pair =
        answer ? cluster::PairFactsFromJson(*answer)
               : Result<cluster::PairFacts>(Unavailable(
                     "the probe of " + (one.called ? name(one.from) + " " + one.caller.why()
                                                   : name(one.to) + " " + one.listener.why())));
    facts_.pairs.push_back(pair.ok() ? std::move(pair).value()
                                     : cluster::PairFacts{.from = name(one.from),
                                                          .to = name(one.to),
                                                          .error = pair.error().message});
  }
}

std::string_view NameOf(cluster::Verdict verdict) {
  if (verdict == cluster::Verdict::kGood) return "good";
  return verdict == cluster::Verdict::kNote ? "note" : "wrong";
}

void PrintFindings(const std::vector<cluster::Finding>& findings) {
  Table table({"WHERE", "CHECK", "VERDICT", "SEEN"});
  for (const auto& finding : findings)
    table.Add({finding.where, finding.check, std::string(NameOf(finding.verdict)), finding.seen});
  table.Print();
  for (const auto& finding : findings) {
    if (finding.verdict != cluster::Verdict::kGood)
      std::cout << finding.where << ", " << finding.check << ": " << finding.cure << "\n";
  }
}

}  // namespace

int DoctorCluster(const Context& context, const DoctorClusterFlags& flags) {
  auto client = context.Connect();
  if (!client.ok()) return Fail(context, client.error());
  ClusterDoctor doctor(context, std::move(client).value(),
                       steady_clock::now() + std::chrono::seconds(flags.seconds));
  if (const Status looked = doctor.Look(); !looked.ok()) return Fail(context, looked.error());
  if (doctor.interrupted()) return kInterrupted;
  auto findings = cluster::Judge(doctor.facts());
  if (doctor.pairs_left() > 0) {
    findings.push_back(
        {.where = "all",
         .check = "pairs",
         .verdict = cluster::Verdict::kNote,
         .seen = std::to_string(doctor.pairs_left()) + " pairs were not looked at",
         .cure = "give it more time (--seconds); of more than 16 nodes each meets 15"});
  }
  boost::json::array list, nodes, pairs;
  for (const auto& finding : findings) list.push_back(cluster::ToJson(finding));
  for (const auto& node : doctor.facts().nodes) {
    if (node.facts) nodes.push_back(cluster::ToJson(*node.facts));
  }
  for (const auto& pair : doctor.facts().pairs) pairs.push_back(cluster::ToJson(pair));
  const boost::json::object json{{"findings", list}, {"nodes", nodes}, {"pairs", pairs}};
  if (!PrintJson(context, json)) PrintFindings(findings);
  const bool wrong = std::ranges::any_of(
      findings, [](const auto& one) { return one.verdict == cluster::Verdict::kWrong; });
  return wrong ? kFailed : kDone;
}

}  // namespace muster::cli
