#pragma once

#include <vector>

#include "runtime/wire/messages.h"

/// One message of each type with every member set, in the order of `wire::Message`: what the golden files hold
/// and what the fuzzer mutates.

namespace muster::wire {

inline std::vector<Envelope> Examples() {
  const AttemptEpoch epoch(12);
  std::vector<Message> messages{
      Hello{.node = NodeId("node-a"),
            .host = "host-a",
            .slots = 8,
            .gpus = 2,
            .labels = {{"rack", "7"}, {"zone", "b"}},
            .incarnation = 3,
            .attempts = {{epoch, TrialId("digits-1/4"), AttemptPhase::kRunning}},
            .limits = {{"cpu", "no"}, {"memory", "cgroup"}, {"pids", "cgroup"}},
            .remote_start = true},
      Heartbeat{NodeId("node-a"), 4711},
      Prepared{epoch, "192.0.2.7", 29500},
      Started{epoch},
      Records{epoch, 90, 181, {{RecordType::kMetric, 2, 9, 55, {{"loss", 0.5}}, "best.pt"}}},
      LogChunk{epoch, 1, "err", 256, "aGVsbG8="},
      Exited{.epoch = epoch,
             .started = true,
             .cause = ExitCause::kOom,
             .message = "rank 1 was killed for memory",
             .ranks = {{1, 137, "killed by signal 9 (SIGKILL)"}},
             .records_end = 181,
             .used = ResourceUse{.cpu_ms = 5'250, .memory_bytes = 1 << 30, .gpu_ms = 940}},
      Welcome{.coordinator = CoordinatorEpoch(7),
              .lease_ms = 10'000,
              .heartbeat_ms = 1'000,
              .keep = {epoch},
              .kill = {AttemptEpoch(11)},
              .records_end = {{"12", 181}}},
      HeartbeatAck{4711},
      Prepare{.epoch = epoch,
              .trial = TrialId("digits-1/4"),
              .run = RunId("0123456789abcdef0123456789abcdef"),
              .launcher = LauncherKind::kMpi,
              .command = {"digits", "--lr", "0.1"},
              .working_dir = "/shared/work",
              .env = {{"OMP_NUM_THREADS", "1"}},
              .params_json = R"({"lr":0.1})",
              .checkpoint_dir = "/shared/checkpoints/digits-1/4",
              .checkpoint_store = "0123456789abcdef",
              .checkpoint_url = "http://192.0.2.1:7073",
              .ranks = 2,
              .cpus_per_rank = 2,
              .gpus_per_rank = 1,
              .slots = {0, 1, 2, 3},
              .grace_ms = 5'000,
              .silence_ms = 300'000,
              .start_secret = "5ec2e7"},
      Go{epoch, "192.0.2.7", 29500, {{"192.0.2.7", 29500, 2}, {"192.0.2.8", 29501, 1}}},
      Abort{epoch},
      Stop{epoch, StopReason::kPruned, 5'000},
      AskCheckpoint{epoch},
      Ack{epoch, 181, {{"0.out", 4096}}},
      Forget{epoch},
      Notice{epoch, NoticeKind::kHang, 2, "rank 1 on node n: no activity for 45 s"},
      Leaving{ExitCause::kWalltime},
      Retire{"idle for 60 s"}};
  std::vector<Envelope> examples;
  for (Message& message : messages) {
    const bool agent = SentByAgent(message);
    examples.push_back({.coordinator = CoordinatorEpoch(7),
                        .incarnation = agent ? 3 : 0,
                        .sequence = static_cast<std::int64_t>(examples.size()) + 1,
                        .message = std::move(message)});
  }
  return examples;
}

}  // namespace muster::wire
