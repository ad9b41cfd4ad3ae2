#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zmq.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <random>
#include <thread>

#include "runtime/agent/agent.h"
#include "runtime/base/clock.h"
#include "runtime/net/coordinator_socket.h"
#include "runtime/server/coordinator_host.h"

/// Figures of the wire, one line each; run by scripts/bench/wire.
///   wire_bench [AGENTS [SECONDS]]
/// Encoding and decoding alone, then a coordinator (state machine, journal in memory, socket, CURVE) with so
/// many agents that have nothing to do: the state machine of runtime/agent, each with a socket, in a process of
/// their own, so that what this process uses is the coordinator's.

namespace {

using namespace muster;
using Clock = std::chrono::steady_clock;

double Seconds(Clock::duration time) { return std::chrono::duration<double>(time).count(); }

template <typename Work>
double NanosecondsOf(int times, const Work& work) {
  const auto start = Clock::now();
  for (int i = 0; i < times; ++i) work(i);
  return 1e9 * Seconds(Clock::now() - start) / times;
}

void CodecAlone(const char* name, const wire::Message& message, int times) {
  for (const int major : {1, 2}) {
    wire::Envelope envelope{.major = major, .message = message};
    std::size_t bytes = 0;
    const double encode = NanosecondsOf(times, [&](int i) {
      envelope.sequence = i;
      bytes = wire::EncodeEnvelope(envelope).size();
    });
    const std::string text = wire::EncodeEnvelope(envelope);
    const double decode = NanosecondsOf(times, [&](int) {
      if (!wire::DecodeEnvelope(text).ok()) std::abort();
    });
    std::printf("%s, major %d: encode %.0f ns, decode %.0f ns, %zu bytes\n", name, major, encode,
                decode, bytes);
  }
}

std::string NodeName(std::int64_t number) { return "node-" + std::to_string(number); }

void Check(bool good, const char* what) {
  if (good) return;
  std::fprintf(stderr, "%s: %s\n", what, zmq_strerror(zmq_errno()));
  std::_Exit(1);
}

/// One agent, and its socket without a thread: the machine that real ones have, in `major` from the start.
class PlayedAgent {
 public:
  PlayedAgent(void* context, const std::string& endpoint, const std::string& server_key,
              const net::KeyPair& keys, const NodeId& node, int major)
      : socket_(zmq_socket(context, ZMQ_DEALER)),
        machine_({.node = node, .host = "bench", .slots = 4, .incarnation = 1}),
        major_(major) {
    Check(socket_ != nullptr, "zmq_socket");
    zmq_setsockopt(socket_, ZMQ_CURVE_SERVERKEY, server_key.data(), server_key.size());
    zmq_setsockopt(socket_, ZMQ_CURVE_PUBLICKEY, keys.public_key.data(), 40);
    zmq_setsockopt(socket_, ZMQ_CURVE_SECRETKEY, keys.secret_key.data(), 40);
    Check(zmq_connect(socket_, endpoint.c_str()) == 0, "zmq_connect");
    Step(agent::FoundAtStart{});
    Step(agent::Connected{});
  }

  void Turn() {
    std::array<char, 65'536> received{};
    int size = 0;
    while ((size = zmq_recv(socket_, received.data(), received.size(), ZMQ_DONTWAIT)) >= 0) {
      auto envelope = wire::DecodeEnvelope({received.data(), static_cast<std::size_t>(size)});
      if (!envelope.ok()) std::_Exit(1);
      Step(agent::Received{std::move(envelope).value()});
    }
    Step(agent::Tick{});
  }

 private:
  void Step(const agent::Input& input) {
    for (agent::Effect& effect : machine_.Step(input, SystemClock().Now())) {
      auto* send = std::get_if<agent::Send>(&effect);
      if (send == nullptr) continue;
      send->envelope.major = major_;
      send->envelope.incarnation = 1;
      const std::string bytes = wire::EncodeEnvelope(send->envelope);
      zmq_send(socket_, bytes.data(), bytes.size(), ZMQ_DONTWAIT);
    }
  }

  void* socket_;
  agent::Agent machine_;
  int major_;
};

/// Agents that join over a second and have their turn each 100 ms, until the parent ends.
[[noreturn]] void PlayAgents(const std::string& endpoint, const std::string& server_key,
                             const std::vector<net::KeyPair>& keys, int major) {
  void* context = zmq_ctx_new();
  zmq_ctx_set(context, ZMQ_MAX_SOCKETS, static_cast<int>(keys.size()) + 10);
  const auto count = static_cast<std::int64_t>(keys.size());
  const auto start = Clock::now();
  const auto wait_for = [&](std::chrono::nanoseconds since_start) {
    std::this_thread::sleep_until(start + since_start);
    if (getppid() == 1) std::_Exit(0);
  };
  std::vector<PlayedAgent> agents;
  for (std::int64_t i = 0; i < count; ++i) {
    wait_for(std::chrono::seconds(1) * i / count);
    agents.emplace_back(context, endpoint, server_key, keys[i], NodeId(NodeName(i)), major);
  }
  // Those whose turns are close joined at any times, so that heartbeats come one by one; the same each run.
  std::shuffle(agents.begin(), agents.end(),
               std::mt19937(1));  // NOLINT(bugprone-random-generator-seed)
  for (std::int64_t round = 10;; ++round) {
    for (std::int64_t i = 0; i < count; ++i) {
      if (i % 10 == 0) wait_for(std::chrono::milliseconds(100) * (round * count + i) / count);
      agents[i].Turn();
    }
  }
}

double CpuSeconds() {
  rusage used{};
  getrusage(RUSAGE_SELF, &used);
  const auto of = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + 1e-6 * static_cast<double>(time.tv_usec);
  };
  return of(used.ru_utime) + of(used.ru_stime);
}

/// CPU of each thread so far, by its number; for MUSTER_BENCH_THREADS=1.
std::map<int, double> CpuOfThreads() {
  std::map<int, double> seconds;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/task")) {
    std::ifstream file(entry.path() / "schedstat");
    double nanoseconds = 0;
    file >> nanoseconds;
    seconds[std::stoi(entry.path().filename().string())] = 1e-9 * nanoseconds;
  }
  return seconds;
}

void IdleAgents(int agents, int seconds, int major) {
  const net::KeyPair server_keys = *net::MakeKeyPair();
  std::vector<net::KeyPair> keys;
  net::AllowList allowed;
  for (int i = 0; i < agents; ++i) {
    keys.push_back(*net::MakeKeyPair());
    allowed[keys.back().public_key] = NodeId(NodeName(i));
  }
  int pipe_ends[2];
  if (pipe(pipe_ends) != 0) std::abort();
  const pid_t child = fork();
  if (child == 0) {
    std::array<char, 256> endpoint{};
    if (read(pipe_ends[0], endpoint.data(), endpoint.size() - 1) <= 0) std::_Exit(1);
    PlayAgents(endpoint.data(), server_keys.public_key, keys, major);
  }
  std::atomic<net::CoordinatorSocket*> live = nullptr;
  std::atomic<std::int64_t> heard = 0;
  server::CoordinatorHost::Ports ports;
  ports.send = [&](const NodeId& node, const wire::Envelope& envelope) {
    if (auto* socket = live.load()) socket->Send(node, envelope);
  };
  ports.store_metrics = [](const auto&, const auto&) {};
  ports.run_command = [](const auto&, const auto&) {};
  auto host = server::CoordinatorHost::Start(coordinator::Config::Default(),
                                             std::make_unique<coordinator::MemoryJournal>(),
                                             "/tmp/muster-wire-bench", std::move(ports))
                  .value();
  auto socket = net::CoordinatorSocket::Start(
                    {.keys = server_keys, .allowed = allowed},
                    {.on_message =
                         [&](const NodeId& node, wire::Envelope envelope) {
                           heard += std::holds_alternative<wire::Heartbeat>(envelope.message);
                           host->OnMessage(node, std::move(envelope));
                         },
                     .on_lost = {}})
                    .value();
  live = socket.get();
  const std::string& endpoint = socket->endpoint();
  if (write(pipe_ends[1], endpoint.data(), endpoint.size()) < 0) std::abort();
  while (heard < 2 * agents) std::this_thread::sleep_for(std::chrono::milliseconds(50));
  const double cpu = CpuSeconds();
  const auto threads = CpuOfThreads();
  const std::int64_t before = heard;
  const auto start = Clock::now();
  std::this_thread::sleep_for(std::chrono::seconds(seconds));
  const double share = (CpuSeconds() - cpu) / Seconds(Clock::now() - start);
  std::printf("%d idle agents, major %d: %.2f %% of a core, %.0f heartbeats/s, %.0f us each\n",
              agents, major, 100 * share,
              static_cast<double>(heard - before) / Seconds(Clock::now() - start),
              1e6 * share * Seconds(Clock::now() - start) / static_cast<double>(heard - before));
  if (std::getenv("MUSTER_BENCH_THREADS") != nullptr) {
    for (const auto& [thread, used] : CpuOfThreads()) {
      const auto earlier = threads.find(thread);
      std::printf("  thread %d: %.2f %%\n", thread,
                  100 * (used - (earlier == threads.end() ? 0 : earlier->second)) / seconds);
    }
  }
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  live = nullptr;
  socket.reset();
  close(pipe_ends[0]);
  close(pipe_ends[1]);
}

}  // namespace

int main(int argc, char** argv) {
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  const int agents = argc > 1 ? static_cast<int>(std::strtol(argv[1], nullptr, 10)) : 1000;
  const int seconds = argc > 2 ? static_cast<int>(std::strtol(argv[2], nullptr, 10)) : 10;
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  CodecAlone("heartbeat", wire::Heartbeat{NodeId("node-123"), 4711}, 200'000);
  CodecAlone("heartbeat_ack", wire::HeartbeatAck{4711}, 200'000);
  wire::Records records{AttemptEpoch(3), 0, 8'000, {}};
  for (int i = 0; i < 100; ++i)
    records.records.push_back({.step = i, .metrics = {{"loss", 1.0 / (i + 1)}}});
  CodecAlone("records of 100", records, 2'000);
  for (const int major : {1, 2}) IdleAgents(agents, seconds, major);
}
