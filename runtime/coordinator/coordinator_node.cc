#include <algorithm>
#include <type_traits>

#include "runtime/coordinator/coordinator_turn.h"

/// Nodes come, go and fall silent.

namespace muster::coordinator {
namespace {

bool SameDevices(const std::vector<Device>& devices, const wire::Hello& hello) {
  if (static_cast<int>(devices.size()) != hello.gpus) return false;
  for (std::size_t index = 0; index < devices.size(); ++index) {
    const auto memory = index < hello.gpu_memory.size() ? hello.gpu_memory[index] : 0;
    if (devices[index].memory_bytes != memory) return false;
  }
  return true;
}

}  // namespace

void Coordinator::On(Turn& turn, const FromNode& input) {
  if (const auto* hello = std::get_if<wire::Hello>(&input.message)) {
    OnHello(turn, input.node, *hello);
    return;
  }
  const auto found = nodes_.find(input.node);
  if (found == nodes_.end() || !found->second.welcomed) return;
  if (!IsUsable(found->second, turn.now)) all_unsettled_ = true;  // it is again
  found->second.connected = true;
  found->second.heard = turn.now;
  found->second.heard_unix = turn.unix_now;
  std::visit(
      [&](const auto& message) {
        using T = std::remove_cvref_t<decltype(message)>;
        if constexpr (std::is_same_v<T, wire::Heartbeat>) {
          if (message.sequence != 0) turn.Send(input.node, wire::HeartbeatAck{message.sequence});
        } else if constexpr (std::is_same_v<T, wire::Prepared>) {
          OnPrepared(turn, input.node, message);
        } else if constexpr (std::is_same_v<T, wire::Started>) {
          OnStarted(turn, input.node, message);
        } else if constexpr (std::is_same_v<T, wire::Records>) {
          OnRecords(turn, input.node, message);
        } else if constexpr (std::is_same_v<T, wire::LogChunk>) {
          OnLog(turn, input.node, message);
        } else if constexpr (std::is_same_v<T, wire::Exited>) {
          OnExited(turn, input.node, message);
        } else if constexpr (std::is_same_v<T, wire::Notice>) {
          OnNotice(turn, input.node, message);
        } else if constexpr (std::is_same_v<T, wire::Leaving>) {
          OnLeaving(turn, input.node, message);
        }  // what only a coordinator says is not for us
      },
      input.message);
}

void Coordinator::On(Turn& /*turn*/, const NodeLost& input) {
  const auto found = nodes_.find(input.node);
  if (found != nodes_.end()) found->second.connected = false;
}

void Coordinator::OnHello(Turn& turn, const NodeId& node, const wire::Hello& hello) {
  if (IsPast(node)) {
    turn.Send(node, wire::Retire{"its allocation has ended"});
    // What still runs ends with the lease that it does not get.
    for (const wire::AttemptReport& report : hello.attempts)
      turn.Send(node, wire::Forget{report.epoch});
    return;
  }
  NodeWatch& watch = nodes_[node];
  if (hello.incarnation < watch.incarnation) return;  // late, of an agent that is gone
  const MonotonicTime heard_before = watch.heard;
  const bool anew = watch.incarnation != 0 && hello.incarnation > watch.incarnation;
  watch = {true, true, watch.node, hello.incarnation, turn.now, turn.unix_now};
  all_unsettled_ = true;
  const auto known = state_.nodes.find(node);
  if (known == state_.nodes.end() || known->second.host != hello.host ||
      known->second.slots != hello.slots || !SameDevices(known->second.devices, hello) ||
      known->second.resources != hello.resources || known->second.labels != hello.labels ||
      known->second.limits != hello.limits || known->second.remote_start != hello.remote_start) {
    Emit(turn, NodeSeen{node, hello.host, hello.slots, hello.gpus, hello.gpu_memory,
                        hello.resources, hello.labels, hello.limits, hello.remote_start});
    watch.node = &state_.nodes.at(node);
  }
  if (anew) ComeBack(turn, *watch.node);

  wire::Welcome welcome;
  welcome.coordinator = state_.coordinator;
  welcome.lease_ms = config_.lease_ms;
  welcome.heartbeat_ms = config_.heartbeat_ms;
  welcome.hello = hello.sequence;
  std::set<AttemptEpoch> reported;
  for (const wire::AttemptReport& report : hello.attempts) {
    const Attempt* attempt = state_.FindAttempt(report.epoch);
    const Member* member = attempt == nullptr ? nullptr : attempt->LiveMember(node);
    if (member == nullptr) {
      welcome.kill.push_back(report.epoch);
      continue;
    }
    reported.insert(report.epoch);
    welcome.keep.push_back(report.epoch);
    welcome.records_end[std::to_string(report.epoch.value)] = member->records_end;
    attempts_[report.epoch].members[node].incarnation = hello.incarnation;
    if (report.phase == wire::AttemptPhase::kRunning) MarkRunning(turn, *attempt, node);
  }
  turn.Send(node, welcome);

  for (const AttemptEpoch epoch : watch.node->attempts()) {
    const Attempt& attempt = state_.attempts.at(epoch);
    // A Prepare may not have arrived yet; what was prepared and is on the disk of no newer agent is gone.
    const bool gone = !reported.contains(epoch) &&
                      attempt.LiveMember(node)->phase != wire::AttemptPhase::kPreparing &&
                      attempts_[epoch].members[node].incarnation < hello.incarnation;
    if (gone && !watch.node->allocation.empty()) older_.try_emplace({epoch, node}, heard_before);
    if (gone && !attempt.stop) {
      Decide(turn, attempt,
             {epoch, wire::StopReason::kFenced, wire::ExitCause::kNode,
              "the agent of node " + node.value + " came back without the attempt"});
    } else {
      attempts_[epoch].interval = {};
      SendNext(turn, attempt);
    }
  }
}

/// Nodes are heard far more often than they are lost, so it is known for a while that none can be.
void Coordinator::LoseSilentNodes(Turn& turn) {
  if (turn.now < none_lost_before_) return;
  const auto margin = Mutated(Mutation::kNoLeaseMargin) ? 0 : config_.lease_margin_ms;
  const auto most = Ms(config_.lease_ms + margin);
  none_lost_before_ = turn.now + most;
  for (const auto& [node, watch] : nodes_) {
    if (watch.node == nullptr) continue;
    if (turn.now - watch.heard <= most) {
      none_lost_before_ = std::min(none_lost_before_, watch.heard + most);
      continue;
    }
    for (const AttemptEpoch epoch : watch.node->attempts()) {
      EndMember(turn, state_.attempts.at(epoch),
                {epoch, node, wire::ExitCause::kNode,
                 "node " + node.value + " was silent for " +
                     std::to_string((config_.lease_ms + config_.lease_margin_ms) / 1000) + " s"});
    }
  }
}

/// A later start of a lent node's agent has a home of its own and can say nothing of what the one before it runs, which may
/// live: that is over when its lease is.
void Coordinator::EndOlderParts(Turn& turn) {
  for (auto it = older_.begin(); it != older_.end();) {
    const auto [epoch, node] = it->first;
    const Attempt* attempt = state_.FindAttempt(epoch);
    const bool live = attempt != nullptr && attempt->LiveMember(node) != nullptr;
    if (live && turn.now - it->second <= Ms(config_.lease_ms + config_.lease_margin_ms)) {
      ++it;
      continue;
    }
    it = older_.erase(it);
    if (!live) continue;
    EndMember(turn, *attempt,
              {epoch, node, wire::ExitCause::kNode,
               "the agent of node " + node.value + " was started anew without the attempt"});
  }
}

}  // namespace muster::coordinator
