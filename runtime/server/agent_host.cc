#include "runtime/server/agent_host.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <charconv>
#include <mutex>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

#include "cluster/local/processes.h"
#include "runtime/agent/agent.h"
#include "runtime/base/clock.h"
#include "runtime/base/file.h"
#include "runtime/base/log.h"
#include "runtime/base/random.h"
#include "runtime/net/agent_socket.h"
#include "runtime/server/endpoint.h"

namespace muster::server {
namespace {

using namespace std::chrono_literals;

constexpr auto kTick = 100ms;
/// While something is being killed: a slot is given again only when a look finds nothing left.
constexpr auto kHurriedTick = 10ms;
/// A rank that prints without end wakes the thread at every line; it looks no more often than this. What changes
/// after a longer pause is seen at once.
constexpr auto kBetweenPolls = 3ms;
constexpr std::size_t kInboxMax = 16384;

/// Takes the number of this start from <home>/agent.starts, one higher each time; durable before it is used.
Result<std::int64_t> NextIncarnation(const std::filesystem::path& home, std::int64_t least) {
  const auto file = home / "agent.starts";
  const auto text = ReadWholeFile(file);
  if (!text.ok() && text.error().kind != ErrorKind::kNotFound) return text.error();
  std::int64_t before = 0;
  if (text.ok()) std::from_chars(text->data(), text->data() + text->size(), before);
  const std::int64_t next = std::max(before + 1, least);
  MUSTER_RETURN_IF_ERROR(WriteFileAtomically(file, std::to_string(next) + "\n"));
  return next;
}

/// The program with the subcommands `shim`, `rank` and `inspect`: the small one, else the agent's own.
std::filesystem::path ShimProgram(const std::filesystem::path& own) {
  const auto small = own.parent_path() / "muster-shim";
  std::error_code failed;
  return std::filesystem::exists(small, failed) ? small : own;
}

}  // namespace

wire::Prepare WithCheckpoints(wire::Prepare prepare, CheckpointsBy by, const std::string& url,
                              const std::string& endpoint) {
  if (!url.empty()) prepare.checkpoint_url = url;
  if (IsAnyHost(HostOf(prepare.checkpoint_url)))
    prepare.checkpoint_url = WithHost(prepare.checkpoint_url, HostOf(endpoint));
  if (by == CheckpointsBy::kFolder) prepare.checkpoint_url.clear();
  if (by == CheckpointsBy::kHttp) prepare.checkpoint_store.clear();
  return prepare;
}

struct AgentHost::Impl {
  explicit Impl(Options given) : options(std::move(given)) {}
  ~Impl() {
    if (std::exchange(socket, nullptr)) Tell(false);  // its thread writes to wake_fd until now
    for (const int fd : {wake_fd, lock_fd}) {
      if (fd >= 0) close(fd);
    }
  }

  Status Open();
  Status Lock();
  Status ClaimHome() const;
  [[nodiscard]] Result<std::string> HomeId() const;
  Status Connect();
  void Tell(bool ready) const;
  void Put(agent::Input input);
  std::vector<agent::Input> TakeInbox();
  void Run();
  void Step(const agent::Input& input);
  void Wait(MonotonicTime next_tick, MonotonicTime polled) const;

  Options options;
  std::unique_ptr<cluster::local::Processes> processes;
  std::unique_ptr<agent::Agent> machine;
  std::mutex mutex;  ///< guards inbox
  std::vector<agent::Input> inbox;
  std::atomic<bool> stopping = false;
  std::string home_id;  ///< what processes of its attempts carry
  std::int64_t incarnation = 0;
  bool joined = false;  ///< of the socket's thread: welcomed since it connected
  int wake_fd = -1;
  int lock_fd = -1;
  std::thread thread;
  std::unique_ptr<net::AgentSocket> socket;
};

Status AgentHost::Impl::Open() {
  MUSTER_RETURN_IF_ERROR(Lock());
  MUSTER_RETURN_IF_ERROR(ClaimHome());
  MUSTER_ASSIGN_OR_RETURN(home_id, HomeId());
  wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (wake_fd < 0) return IoError("eventfd", errno);
  if (options.bin_dir.empty()) options.bin_dir = options.self_executable.parent_path();
  if (options.host.empty()) {
    MUSTER_ASSIGN_OR_RETURN(options.host, HostName());
  }
  MUSTER_ASSIGN_OR_RETURN(incarnation, NextIncarnation(options.home, options.incarnation_least));
  MUSTER_ASSIGN_OR_RETURN(processes, cluster::local::Processes::Open(
                                         {.attempts_dir = options.home / "attempts",
                                          .self_executable = ShimProgram(options.self_executable),
                                          .bin_dir = options.bin_dir,
                                          .home_id = home_id,
                                          .address = options.address,
                                          .slots = options.has.slots}));
  machine = std::make_unique<agent::Agent>(agent::Options{.node = options.node,
                                                          .host = options.host,
                                                          .slots = options.has.slots,
                                                          .gpus = options.has.gpus,
                                                          .gpu_memory = options.has.gpu_memory,
                                                          .resources = options.has.resources,
                                                          .labels = options.has.labels,
                                                          .limits = processes->limits(),
                                                          .incarnation = incarnation,
                                                          .orphans_end = options.orphans_end,
                                                          .lonely_ms = options.lonely_ms});
  return Connect();
}

Status AgentHost::Impl::Lock() {
  std::error_code error;
  std::filesystem::create_directories(options.home, error);
  const auto file = options.home / "agent.lock";
  lock_fd = open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (lock_fd < 0) return IoError("open " + file.string(), errno);
  if (flock(lock_fd, LOCK_EX | LOCK_NB) == 0) return Ok();
  return Conflict("another agent runs on " + options.home.string() +
                  "; stop it, or use another --home");
}

/// Another node would know nothing of the attempts on this home, and end them.
Status AgentHost::Impl::ClaimHome() const {
  const auto file = options.home / "node";
  const auto text = ReadWholeFile(file);
  if (!text.ok() && text.error().kind == ErrorKind::kNotFound) {
    MUSTER_RETURN_IF_ERROR(WriteFileAtomically(options.home / "home_id",
                                               options.node.value + "-" + RandomHex(4) + "\n"));
    return WriteFileAtomically(file, options.node.value + "\n");
  }
  if (!text.ok()) return text.error();
  const std::string owner = text->substr(0, text->find('\n'));
  if (owner == options.node.value) return Ok();
  return Conflict(options.home.string() + " is the home of node " + owner +
                  ", and the key is of node " + options.node.value + "; use another --home");
}

/// Two homes of one node may be on one machine: a job that runs twice. Those from before they had ids, and the server's
/// own, whose node's name is of this home alone, go by that.
Result<std::string> AgentHost::Impl::HomeId() const {
  const auto text = ReadWholeFile(options.home / "home_id");
  if (!text.ok() && text.error().kind == ErrorKind::kNotFound) return options.node.value;
  if (!text.ok()) return text.error();
  return text->substr(0, text->find('\n'));
}

Status AgentHost::Impl::Connect() {
  Tell(false);  // one that was killed has left its file
  const std::string where = options.node.value + ": the server at " + options.endpoint;
  const auto on_connected = [this, where] {
    LogInfo("agent", where + " answers; joining");
    Put(agent::Connected{});
  };
  const auto on_disconnected = [this, where] {
    joined = false;
    Tell(false);
    LogWarning("agent", where + " is gone; calling again for as long as it takes");
    Put(agent::Disconnected{});
  };
  const auto on_message = [this, where](wire::Envelope envelope) {
    if (const auto* welcome = std::get_if<wire::Welcome>(&envelope.message);
        welcome != nullptr && !std::exchange(joined, true)) {
      LogInfo("agent", where + " took the node in (epoch " +
                           std::to_string(welcome->coordinator.value) + ")");
      Tell(true);
    }
    Put(agent::Received{std::move(envelope)});
  };
  const auto on_refused = [this](const std::string& why) { Put(agent::Refused{why}); };
  MUSTER_ASSIGN_OR_RETURN(socket,
                          net::AgentSocket::Start({.endpoint = options.endpoint,
                                                   .keys = options.keys,
                                                   .server_public_key = options.server_public_key,
                                                   .incarnation = incarnation},
                                                  {.on_connected = on_connected,
                                                   .on_disconnected = on_disconnected,
                                                   .on_message = on_message,
                                                   .on_refused = on_refused}));
  return Ok();
}

/// To scripts and probes.
void AgentHost::Impl::Tell(bool ready) const {
  if (options.ready_file.empty()) return;
  std::error_code error;
  if (!ready) std::filesystem::remove(options.ready_file, error);
  const Status told = ready   ? ReplaceFile(options.ready_file, options.node.value + "\n")
                      : error ? IoError("remove " + options.ready_file.string(), error.value())
                              : Ok();
  if (!told.ok()) LogWarning("agent", told.error().message);
}

void AgentHost::Impl::Put(agent::Input input) {
  {
    const std::lock_guard lock(mutex);
    // Messages may be lost, connections coming and going may not.
    if (inbox.size() >= kInboxMax && std::holds_alternative<agent::Received>(input)) return;
    inbox.push_back(std::move(input));
  }
  const std::uint64_t one = 1;
  [[maybe_unused]] const auto written = write(wake_fd, &one, sizeof one);
}

std::vector<agent::Input> AgentHost::Impl::TakeInbox() {
  std::uint64_t count = 0;
  [[maybe_unused]] const auto got = read(wake_fd, &count, sizeof count);
  const std::lock_guard lock(mutex);
  return std::exchange(inbox, {});
}

void AgentHost::Impl::Step(const agent::Input& input) {
  for (const auto& effect : machine->Step(input, SystemClock().Now())) {
    if (const auto* send = std::get_if<agent::Send>(&effect)) {
      socket->Send(send->envelope);
    } else if (const auto* quit = std::get_if<agent::Quit>(&effect)) {
      if (options.on_quit) options.on_quit(quit->why, quit->failed);
    } else if (const auto* make = std::get_if<agent::MakeAttempt>(&effect)) {
      processes->Apply(agent::MakeAttempt{WithCheckpoints(
          make->prepare, options.checkpoints, options.checkpoints_url, options.endpoint)});
    } else {
      processes->Apply(effect);
    }
  }
}

/// Until a message, a change in an attempt, or the tick. `polled`: when the processes were looked at.
void AgentHost::Impl::Wait(MonotonicTime next_tick, MonotonicTime polled) const {
  if (processes->hurried()) next_tick = std::min(next_tick, SystemClock().Now() + kHurriedTick);
  const auto left_until = [](MonotonicTime time) {
    const auto ms = std::chrono::ceil<std::chrono::milliseconds>(time - SystemClock().Now());
    return static_cast<int>(std::clamp<std::int64_t>(ms.count(), 0, kTick.count()));
  };
  std::array<pollfd, 2> items{
      {{.fd = wake_fd, .events = POLLIN}, {.fd = processes->fd(), .events = POLLIN}}};
  const int pause = left_until(std::min(next_tick, polled + kBetweenPolls));
  if (pause > 0) poll(items.data(), 1, pause);
  if (items[0].revents == 0) poll(items.data(), items.size(), left_until(next_tick));
}

void AgentHost::Impl::Run() {
  MonotonicTime next_tick{};
  Step(processes->Find());
  while (!stopping) {
    for (const auto& input : TakeInbox()) Step(input);
    if (SystemClock().Now() >= next_tick) {
      next_tick = SystemClock().Now() + kTick;
      Step(agent::Tick{});
    }
    const MonotonicTime polled = SystemClock().Now();
    // What a Poll answers may ask for more at once (the next chunk of a spool).
    for (auto inputs = processes->Poll(SystemClock().Now()); !inputs.empty();
         inputs = processes->Poll(SystemClock().Now())) {
      for (const auto& input : inputs) Step(input);
      if (stopping) return;
    }
    Wait(next_tick, polled);
  }
}

AgentHost::AgentHost(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Result<std::unique_ptr<AgentHost>> AgentHost::Start(Options options) {
  auto impl = std::make_unique<Impl>(std::move(options));
  MUSTER_RETURN_IF_ERROR(impl->Open());
  auto* raw = impl.get();
  impl->thread = std::thread([raw] { raw->Run(); });
  return std::unique_ptr<AgentHost>(new AgentHost(std::move(impl)));
}

AgentHost::~AgentHost() {
  impl_->stopping = true;
  const std::uint64_t one = 1;
  [[maybe_unused]] const auto written = write(impl_->wake_fd, &one, sizeof one);
  impl_->thread.join();
}

void AgentHost::Leave(wire::ExitCause cause) { impl_->Put(agent::Leave{cause}); }

Result<NodeId> AgentHost::LoadOrMakeNodeId(const std::filesystem::path& home) {
  const auto file = home / "node";
  auto text = ReadWholeFile(file);
  if (text.ok()) {
    const std::string id = text->substr(0, text->find('\n'));
    if (!id.empty()) return NodeId(id);
    return Corrupt(file.string() + " is empty; wanted the node's id");
  }
  if (text.error().kind != ErrorKind::kNotFound) return text.error();
  MUSTER_ASSIGN_OR_RETURN(const std::string host, HostName());
  const NodeId made(host + "-" + RandomHex(4));
  std::error_code error;
  std::filesystem::create_directories(home, error);
  MUSTER_RETURN_IF_ERROR(WriteFileAtomically(file, made.value + "\n"));
  return made;
}

}  // namespace muster::server
