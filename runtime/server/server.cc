#include "runtime/server/server.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "registry/api/fleet_routes.h"
#include "registry/api/gate_routes.h"
#include "registry/api/routes.h"
#include "registry/files/model_directory.h"
#include "registry/files/model_key.h"
#include "registry/files/zone_file.h"
#include "registry/sqlite/trigger_store.h"
#include "runtime/base/file.h"
#include "runtime/base/log.h"
#include "runtime/config/gate_file.h"
#include "runtime/coordinator/checkpoints.h"
#include "runtime/coordinator/views.h"
#include "runtime/http/server.h"
#include "runtime/journal/sqlite_journal.h"
#include "runtime/modules/engines.h"
#include "runtime/net/coordinator_socket.h"
#include "runtime/net/node_keys.h"
#include "runtime/server/agent_host.h"
#include "runtime/server/checkpoint_collector.h"
#include "runtime/server/checkpoint_routes.h"
#include "runtime/server/compress_routes.h"
#include "runtime/server/coordinator_host.h"
#include "runtime/server/data_watcher.h"
#include "runtime/server/endpoint.h"
#include "runtime/server/home.h"
#include "runtime/server/node_routes.h"
#include "runtime/server/pool_routes.h"
#include "runtime/server/pool_worker.h"
#include "runtime/server/program_exporter.h"
#include "runtime/server/promotion_worker.h"
#include "runtime/server/run_artifacts.h"
#include "runtime/server/search_routes.h"
#include "runtime/server/server_metrics.h"
#include "runtime/server/sweep_routes.h"
#include "runtime/server/tracker_ports.h"
#include "runtime/server/tracker_service.h"
#include "runtime/wire/api.h"
#include "runtime/wire/codec.h"
#include "tracker/run_rules.h"

namespace muster::server {
namespace {

constexpr int kHttpThreads = 2;
constexpr int kBlockingThreads = 16;  ///< most of them wait for the disk, and share its commits
constexpr auto kTriggerPeriod = std::chrono::seconds(1);

/// Databases, connections and uploads may want more than the soft limit that a shell gives.
void RaiseDescriptorLimit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == limit.rlim_max) return;
  limit.rlim_cur = limit.rlim_max;
  if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
    LogWarning("server", IoError("raise the limit of open files", errno).message);
}

}  // namespace

/// In the order of construction; destroyed in reverse, so each part outlives what uses it.
struct Server::Impl {
  ServerOptions options;
  std::function<void(Error)> on_fatal;
  std::unique_ptr<HomeLock> lock;
  const Clock& clock = SystemClock();

  std::unique_ptr<TrackerService> tracking;
  std::unique_ptr<registry::SqliteTriggerStore> trigger_store;
  net::KeyPair server_keys, local_keys;
  NodeId local_node;
  std::string host_name;
  std::unique_ptr<net::NodeKeys> keys;

  LateHost late;
  std::unique_ptr<registry::TriggerService> triggers;
  std::unique_ptr<DataWatcher> data_watcher;
  std::unique_ptr<registry::InferenceEngine> engine;
  std::unique_ptr<ProgramExporter> exporter;
  std::unique_ptr<RunArtifacts> run_artifacts;
  std::unique_ptr<registry::ModelDirectory> model_files;
  std::unique_ptr<registry::Promoter> promoter;
  std::unique_ptr<TrackerPorts> tracker_ports;
  http::Router router, checkpoint_router;
  std::unique_ptr<http::Server> http;
  std::unique_ptr<http::Server> checkpoint_http;  // where agents elsewhere reach it
  std::string checkpoint_store;                   // what marks the root of all checkpoints
  std::unique_ptr<StudyService> studies;          // gives its answers before http goes
  std::unique_ptr<PromotionWorker> promotions;
  std::unique_ptr<CheckpointCollector> checkpoints;
  std::unique_ptr<PoolWorker> pools;
  std::unique_ptr<CoordinatorHost> host;
  std::unique_ptr<net::CoordinatorSocket> socket;
  std::unique_ptr<AgentHost> agent;

  std::mutex mutex;  // guards stopping
  std::condition_variable wake;
  bool stopping = false;
  std::thread trigger_thread;

  ~Impl() {
    {
      const std::lock_guard guard(mutex);
      stopping = true;
    }
    wake.notify_all();
    if (trigger_thread.joinable()) trigger_thread.join();
    data_watcher.reset();
    if (exporter) exporter->Stop();  // the outbox gives out its promotion again
    if (tracking) tracking->runs->SetMetricObserver({});
    if (http) http->Stop();
    if (checkpoint_http) checkpoint_http->Stop();
    agent.reset();
    if (pools) pools->Stop();
    late.Set(nullptr);
    if (tracking) tracking->rules->Stop();  // it may wait for the host
    // The socket's thread calls the host, the host's thread the socket: the socket goes first, and the host's
    // port looks before it sends.
    {
      const std::lock_guard guard(socket_mutex);
      live_socket = nullptr;
    }
    socket.reset();
    host.reset();
  }

  std::mutex socket_mutex;  // guards live_socket and allowed
  net::CoordinatorSocket* live_socket = nullptr;
  net::AllowList allowed;

  Status OpenStores();
  Status OpenKeys();
  void MakeRegistry();
  Status Listen(const Result<ServerNote>& last);
  Status StartCoordinator(const Result<ServerNote>& last);
  Status ListenForAgents(const Result<ServerNote>& last);
  Status StartAgent();
  [[nodiscard]] std::string Advertised(const std::string& url) const;
  Result<WireAddress> AddressOfAgents();
  void AddRoutes();
  /// Made with the first version that is signed.
  [[nodiscard]] std::filesystem::path ModelKeyFile() const {
    return options.home / "keys/model-signing.pem";
  }
  CoordinatorHost::Ports MakePorts();
  void RunCommand(coordinator::RunCommand command,
                  std::function<void(Result<boost::json::object>)> done);
  Result<AttemptEpoch> Fence(const http::Request& request, const RunId& run) const;
  Result<coordinator::TokenOwner> LiveOwnerOf(const std::string& token) const;
  Result<CheckpointOwner> CheckpointOwnerOf(const std::string& token) const;
  Status ListenForCheckpoints(const Result<ServerNote>& last);
  [[nodiscard]] std::string CheckpointUrl() const;
  [[nodiscard]] std::filesystem::path CheckpointRoot() const;
  Status StopTrialOf(const RunId& run_id);
  void DropLeftBehind();
  Status SubmitTriggered(const SweepId& sweep, const std::string& sweep_json);
  Result<wire::SweepDetail> FindSweep(const SweepId& sweep);
  void TriggerLoop();
};

Status Server::Impl::OpenStores() {
  MUSTER_ASSIGN_OR_RETURN(
      tracking,
      TrackerService::Open({.db = options.home / "tracker.db",
                            .webhooks = options.webhooks,
                            .gc = options.gc,
                            .fence = [this](const http::Request& request,
                                            const RunId& run) { return Fence(request, run); },
                            .stop_trial = [this](const RunId& run) { return StopTrialOf(run); }},
                           clock));
  MUSTER_ASSIGN_OR_RETURN(trigger_store,
                          registry::SqliteTriggerStore::Open(options.home / "registry.db"));
  MUSTER_ASSIGN_OR_RETURN(studies, StudyService::Open(options.home / "studies.db"));
  return Ok();
}

Status Server::Impl::OpenKeys() {
  MUSTER_ASSIGN_OR_RETURN(host_name, HostName());
  MUSTER_ASSIGN_OR_RETURN(server_keys, net::LoadOrMakeKeyPair(options.home / "server.key"));
  MUSTER_ASSIGN_OR_RETURN(local_keys, net::LoadOrMakeKeyPair(options.home / "agent.key"));
  MUSTER_ASSIGN_OR_RETURN(local_node, AgentHost::LoadOrMakeNodeId(options.home));
  MUSTER_ASSIGN_OR_RETURN(
      keys, net::NodeKeys::Open(options.home / "agents.json", {{local_keys.public_key, local_node}},
                                [this](const net::AllowList& list) {
                                  const std::lock_guard guard(socket_mutex);
                                  allowed = list;
                                  if (live_socket != nullptr) live_socket->SetAllowed(list);
                                }));
  return Ok();
}

/// `url` as nodes elsewhere can use it.
std::string Server::Impl::Advertised(const std::string& url) const {
  if (!IsAnyHost(HostOf(url))) return url;
  return WithHost(url, options.advertise.empty() ? host_name : options.advertise);
}

Result<WireAddress> Server::Impl::AddressOfAgents() {
  const std::lock_guard guard(socket_mutex);
  if (live_socket == nullptr)
    return Unavailable("the server is starting or stopping; try again in a second");
  const std::string& endpoint = live_socket->endpoint();
  return WireAddress{.endpoint = Advertised(endpoint),
                     .server_public_key = server_keys.public_key,
                     .any_host = IsAnyHost(HostOf(endpoint)) && options.advertise.empty()};
}

void Server::Impl::MakeRegistry() {
  triggers = std::make_unique<registry::TriggerService>(registry::TriggerParts{
      .store = *trigger_store,
      .models = *tracking->models,
      .trust = tracking->models.get(),
      .submit = [this](const SweepId& sweep,
                       const std::string& json) { return SubmitTriggered(sweep, json); },
      .find = [this](const SweepId& sweep) { return FindSweep(sweep); },
      .zone = registry::ReadZone});
  data_watcher = std::make_unique<DataWatcher>(*trigger_store, *triggers, clock);
  engine = modules::MakeOpenVinoEngine(options.bin_dir);
  exporter = std::make_unique<ProgramExporter>(ProgramExporter::Options{options.bin_dir});
  run_artifacts = std::make_unique<RunArtifacts>(*tracking->runs, *tracking->roots.store);
  // A version that another client registered: its file is in the artifacts.
  model_files = std::make_unique<registry::ModelDirectory>(
      registry::ModelDirectory::Places{options.home / "models", options.home / "candidates",
                                       ModelKeyFile()},
      [this](const registry::ModelVersion& version) -> Result<std::filesystem::path> {
        MUSTER_ASSIGN_OR_RETURN(const auto path,
                                tracker::ArtifactStorePath(version.source, "model.onnx"));
        MUSTER_ASSIGN_OR_RETURN(const auto file, tracking->roots.store->Get(path));
        return file.path;
      });
  promoter = std::make_unique<registry::Promoter>(registry::Promoter::Parts{
      *tracking->models, *engine, *exporter, *run_artifacts, *model_files, clock});
  tracker_ports = std::make_unique<TrackerPorts>(*tracking->runs, clock);
  promotions = std::make_unique<PromotionWorker>(*promoter);
}

/// Whose write it is. A write without a token is a person's or a program's that muster does not run. A token
/// writes to its trial's run and to those that no running trial has (scripts make runs of their own).
Result<AttemptEpoch> Server::Impl::Fence(const http::Request& request, const RunId& run) const {
  const std::string token(request.BearerToken());
  if (token.empty()) return AttemptEpoch();
  MUSTER_ASSIGN_OR_RETURN(CoordinatorHost * coordinator, late.Get());
  const auto owner = coordinator->AttemptOf(token);
  if (!owner) return Unauthorized("the token is not one that this server gave out");
  if (!owner->live) {
    return Fenced("attempt " + std::to_string(owner->epoch.value) +
                  " is over; its token may write no more");
  }
  const AttemptEpoch holder = coordinator->LiveAttemptOf(run);
  if (holder.value != 0 && holder != owner->epoch) {
    return Fenced("run " + run.value + " is of attempt " + std::to_string(holder.value) +
                  "; the token of attempt " + std::to_string(owner->epoch.value) +
                  " may not write to it");
  }
  return owner->epoch;
}

/// Never waits.
Result<coordinator::TokenOwner> Server::Impl::LiveOwnerOf(const std::string& token) const {
  MUSTER_ASSIGN_OR_RETURN(CoordinatorHost * coordinator, late.Get());
  const auto owner = coordinator->AttemptOf(token);
  if (!owner) return Unauthorized("the token is not one that this server gave out");
  if (owner->live) return *owner;
  return Fenced("attempt " + std::to_string(owner->epoch.value) +
                " is over; its token may read and write checkpoints no more");
}

/// The trial that a live attempt's token may write checkpoints of.
Result<CheckpointOwner> Server::Impl::CheckpointOwnerOf(const std::string& token) const {
  MUSTER_ASSIGN_OR_RETURN(const coordinator::TokenOwner owner, LiveOwnerOf(token));
  MUSTER_ASSIGN_OR_RETURN(CoordinatorHost * coordinator, late.Get());
  MUSTER_ASSIGN_OR_RETURN(const auto trial,
                          coordinator->Ask([&](const coordinator::Coordinator& asked, MonotonicTime,
                                               UnixMillis) -> Result<boost::json::value> {
                            const auto& runs = asked.state().runs;
                            const auto found = runs.find(owner.run);
                            if (found == runs.end())
                              return NotFound("run " + owner.run.value + " is of no trial");
                            return wire::ToJson(found->second);
                          }));
  MUSTER_ASSIGN_OR_RETURN(auto id, wire::FromJson<TrialId>(trial));
  return CheckpointOwner{std::move(id), owner.epoch};
}

std::filesystem::path Server::Impl::CheckpointRoot() const {
  return options.checkpoints.empty() ? options.home / "checkpoints"
                                     : std::filesystem::absolute(options.checkpoints);
}

void Server::Impl::AddRoutes() {
  tracking->AddRoutes(router);
  registry::AddRegistryRoutes(
      router, {*tracking->models, *trigger_store, *triggers, clock, tracking->models.get(),
               [this] { return ReadWholeFile(registry::PublicKeyFile(ModelKeyFile())); }});
  registry::AddGateRoutes(router, *tracking->models, config::ParseGateFile);
  registry::AddFleetRoutes(router, *tracking->models,
                           [this](std::string_view bytes, std::string_view signature) -> Status {
                             MUSTER_ASSIGN_OR_RETURN(
                                 const std::string key,
                                 ReadWholeFile(registry::PublicKeyFile(ModelKeyFile())));
                             return registry::VerifySignature(key, bytes, signature);
                           });
  AddSweepRoutes(router, late, *triggers, options.bin_dir);
  AddCompressRoutes(router, late,
                    {*tracking->models, *engine, *exporter, *run_artifacts, *model_files, clock});
  AddSearchRoutes(router, late, options.home / "coordinator.db", *studies);
  const auto checkpoint_files = MakeCheckpoints(
      {CheckpointRoot(), [this](const std::string& token) { return CheckpointOwnerOf(token); }});
  AddCheckpointRoutes(router, checkpoint_files);
  AddCheckpointRoutes(checkpoint_router, checkpoint_files);
  AddNodeRoutes(router, *keys, clock, [this] { return AddressOfAgents(); });
  AddServerMetrics(router, late);
  AddPoolRoutes(router, late, [this](const wire::PoolSpec& spec) -> Status {
    if (pools == nullptr) return Unavailable("the server is starting; try again in a second");
    return pools->Check(spec);
  });
}

Status Server::Impl::Listen(const Result<ServerNote>& last) {
  AddRoutes();
  http::ServerOptions serving;
  serving.host = options.host;
  serving.port = options.port;
  serving.threads = kHttpThreads;
  serving.blocking_threads = kBlockingThreads;
  serving.spool_dir = options.home / "uploads";
  // Scripts that run on from an earlier server know its port.
  if (options.port == 0 && last.ok()) serving.port = PortOf(last->url);
  auto started = http::Server::Start(serving, router);
  if (!started.ok() && started.error().kind == ErrorKind::kConflict && options.port == 0 &&
      serving.port != 0) {
    serving.port = 0;
    started = http::Server::Start(serving, router);
  }
  if (!started.ok()) return started.error();
  http = std::move(started).value();
  return Ok();
}

/// For nodes that do not share the folder: these routes alone, for who has a live attempt's token, on the address of agents.
/// Where that is the loopback, so is every node.
Status Server::Impl::ListenForCheckpoints(const Result<ServerNote>& last) {
  MUSTER_ASSIGN_OR_RETURN(checkpoint_store, MarkCheckpointStore(CheckpointRoot()));
  if (IsLoopback(options.agents_host)) return Ok();
  http::ServerOptions serving;
  serving.host = options.agents_host;
  serving.allow_remote = true;
  serving.spool_dir = CheckpointRoot() / ".incoming/.uploads";
  serving.admit = [this](const http::Request& request) -> std::optional<http::Response> {
    const auto owner = LiveOwnerOf(std::string(request.BearerToken()));
    if (owner.ok()) return std::nullopt;
    return http::ErrorResponse(owner.error());
  };
  const std::uint16_t before = last.ok() ? PortOf(last->checkpoints) : 0;
  serving.port = options.checkpoints_port != 0 ? options.checkpoints_port : before;
  auto started = http::Server::Start(serving, checkpoint_router);
  if (!started.ok() && options.checkpoints_port == 0 && before != 0) {
    serving.port = 0;
    started = http::Server::Start(serving, checkpoint_router);
  }
  if (!started.ok()) return started.error().With("checkpoints for other nodes");
  checkpoint_http = std::move(started).value();
  return Ok();
}

/// As nodes are told: the host 0.0.0.0 stands for the one where they reach the coordinator.
std::string Server::Impl::CheckpointUrl() const {
  if (!checkpoint_http) return http->url();
  const std::string url = checkpoint_http->url();
  return options.advertise.empty() ? url : Advertised(url);
}

void Server::Impl::RunCommand(coordinator::RunCommand command,
                              std::function<void(Result<boost::json::object>)> done) {
  struct Visitor {
    Impl& server;
    std::function<void(Result<boost::json::object>)> done;
    void operator()(const coordinator::CreateRun& create) {
      server.tracker_ports->CreateRun(create, std::move(done));
    }
    void operator()(const coordinator::FinishRun& finish) {
      server.tracker_ports->FinishRun(finish, std::move(done));
    }
    void operator()(const coordinator::TagRun& tag) {
      server.tracker_ports->TagRun(tag, std::move(done));
    }
    void operator()(const coordinator::ResumeRun& resume) {
      server.tracker_ports->ResumeRun(resume, std::move(done));
    }
    void operator()(const coordinator::PromoteModel& promote) {
      server.promotions->Promote(promote, std::move(done));
    }
    void operator()(const coordinator::SubmitAllocations& submit) {
      server.pools->Submit(submit, std::move(done));
    }
    void operator()(const coordinator::CancelAllocation& cancel) {
      server.pools->Cancel(cancel, std::move(done));
    }
    void operator()(const coordinator::DropCheckpoints& drop) {
      server.checkpoints->Drop(drop.folders, std::move(done));
    }
  };
  std::visit(Visitor{*this, std::move(done)}, command.command);
}

CoordinatorHost::Ports Server::Impl::MakePorts() {
  CoordinatorHost::Ports ports;
  ports.send = [this](const NodeId& node, const wire::Envelope& envelope) {
    const std::lock_guard guard(socket_mutex);
    if (live_socket != nullptr) live_socket->Send(node, envelope);
  };
  ports.store_metrics = [this](const coordinator::StoreMetrics& metrics,
                               std::function<void(Status)> done) {
    // The store's observer does not hear of them.
    auto points = PointsOf(metrics);
    const RunId run = metrics.run;
    tracker_ports->StoreMetrics(metrics, [rules = tracking->rules, run, points = std::move(points),
                                          done = std::move(done)](Status status) {
      const auto observe = [&](const RunId& of, const auto& own) { rules->Observe(of, own); };
      if (status.ok()) tracker::TellOwn(observe, run, points);
      done(std::move(status));
    });
  };
  ports.run_command = [this](coordinator::RunCommand command,
                             std::function<void(Result<boost::json::object>)> done) {
    RunCommand(std::move(command), std::move(done));
  };
  ports.read_metric = [this](const RunId& run, const std::string& key) {
    return tracker_ports->ReadMetric(run, key);
  };
  ports.on_log = [this](const RunId& run, const std::string& log, std::int64_t begin,
                        const std::string& bytes) {
    tracking->events.Add({run, tracker::LogText{log, begin, bytes}});
  };
  ports.on_fatal = on_fatal;
  return ports;
}

Status Server::Impl::StartCoordinator(const Result<ServerNote>& last) {
  MUSTER_ASSIGN_OR_RETURN(auto event_journal,
                          journal::SqliteJournal::Open(options.home / "coordinator.db"));
  auto config = coordinator::Config::Default();
  config.tracking_uri = Advertised(http->url());
  config.checkpoint_root = CheckpointRoot().string();
  config.checkpoint_store = checkpoint_store;
  config.checkpoint_url = CheckpointUrl();
  checkpoints = std::make_unique<CheckpointCollector>(config.checkpoint_root);
  pools = std::make_unique<PoolWorker>(
      PoolWorker::Options{.dir = options.home / "pools",
                          .program = options.program,
                          .home_id = local_node.value.substr(local_node.value.rfind('-') + 1)},
      PoolWorker::Parts{options.batch_system, *keys, [this] { return AddressOfAgents(); }, clock});
  MUSTER_ASSIGN_OR_RETURN(host, CoordinatorHost::Start(std::move(config), std::move(event_journal),
                                                       options.home / "logs", MakePorts()));
  // Before tokens are taken: what an attempt writes is heard from its first point on.
  tracking->runs->SetMetricObserver(
      [this](const RunId& run, const std::vector<tracker::Metric>& metrics) {
        coordinator::TrackedMetrics tracked{run, {}};
        for (const auto& metric : metrics) tracked.metrics.push_back(TrackedOf(metric));
        host->OnMetrics(std::move(tracked));
        tracking->rules->Observe(run, metrics);
      });
  late.Set(host.get());
  MUSTER_RETURN_IF_ERROR(ListenForAgents(last));
  pools->Start(*host);
  return Ok();
}

Status Server::Impl::ListenForAgents(const Result<ServerNote>& last) {
  net::CoordinatorSocket::Options listening;
  listening.keys = server_keys;
  net::CoordinatorSocket::Callbacks callbacks;
  callbacks.on_message = [this](const NodeId& from, wire::Envelope envelope) {
    host->OnMessage(from, std::move(envelope));
  };
  callbacks.on_lost = [this](const NodeId& from) { host->Submit(coordinator::NodeLost{from}); };
  callbacks.on_stranger = [this](const NodeId& from, const std::string& why) {
    host->Submit(coordinator::NodeNotUnderstood{from, why});
  };
  callbacks.on_key_seen = [this](const std::string& key) { keys->OnSeen(key); };
  {
    const std::lock_guard guard(socket_mutex);
    listening.allowed = allowed;
  }
  const auto listen = [&](std::uint16_t port) {
    listening.endpoint = "tcp://" + options.agents_host + ":" + std::to_string(port);
    return net::CoordinatorSocket::Start(listening, callbacks);
  };
  // Agents that run on from an earlier server know its port.
  const std::uint16_t before = last.ok() ? PortOf(last->agents) : 0;
  auto started = listen(options.agents_port != 0 ? options.agents_port : before);
  if (!started.ok() && options.agents_port == 0 && before != 0) started = listen(0);
  if (!started.ok()) return started.error();
  socket = std::move(started).value();
  const std::lock_guard guard(socket_mutex);
  live_socket = socket.get();
  live_socket->SetAllowed(allowed);  // it may have changed since
  return Ok();
}

Status Server::Impl::StartAgent() {
  if (options.has.slots == 0) return Ok();
  AgentHost::Options local;
  local.home = options.home;
  local.self_executable = options.program;
  local.bin_dir = options.bin_dir;
  local.node = local_node;
  local.incarnation_least = clock.UnixNow();
  local.has = options.has;
  local.orphans_end = false;
  local.checkpoints = CheckpointsBy::kFolder;
  local.endpoint = socket->endpoint();
  if (IsAnyHost(HostOf(local.endpoint))) local.endpoint = WithHost(local.endpoint, "127.0.0.1");
  local.keys = local_keys;
  local.server_public_key = server_keys.public_key;
  MUSTER_ASSIGN_OR_RETURN(agent, AgentHost::Start(std::move(local)));
  return Ok();
}

Status Server::Impl::SubmitTriggered(const SweepId& sweep, const std::string& sweep_json) {
  MUSTER_ASSIGN_OR_RETURN(CoordinatorHost * coordinator, late.Get());
  MUSTER_ASSIGN_OR_RETURN(const auto json, wire::ParseJson(sweep_json));
  MUSTER_ASSIGN_OR_RETURN(auto spec, wire::SweepSpecFromJson(json));
  MUSTER_RETURN_IF_ERROR(
      coordinator->SubmitAndWait(coordinator::SubmitSweep{std::move(spec), sweep}));
  return Ok();
}

Result<wire::SweepDetail> Server::Impl::FindSweep(const SweepId& sweep) {
  MUSTER_ASSIGN_OR_RETURN(CoordinatorHost * coordinator, late.Get());
  MUSTER_ASSIGN_OR_RETURN(const auto view,
                          coordinator->Ask([&](const coordinator::Coordinator& state,
                                               MonotonicTime now, UnixMillis unix_now) {
                            return coordinator::SweepView(state, sweep, {now, unix_now});
                          }));
  return wire::SweepDetailFromJson(view);
}

/// The trial that the run's tag names.
Status Server::Impl::StopTrialOf(const RunId& run_id) {
  MUSTER_ASSIGN_OR_RETURN(const auto run, tracking->runs->GetRun(run_id));
  const auto tag = std::ranges::find(run.tags, "muster.trial", &tracker::Tag::key);
  if (tag == run.tags.end()) return NotFound("run " + run_id.value + " is of no trial");
  MUSTER_ASSIGN_OR_RETURN(CoordinatorHost * coordinator, late.Get());
  MUSTER_RETURN_IF_ERROR(coordinator->SubmitAndWait(coordinator::StopTrial{TrialId(tag->value)}));
  return Ok();
}

/// What a process that outlived its attempt, or a server that was killed, has left of dropped checkpoints.
void Server::Impl::DropLeftBehind() {
  const auto asked = host->Ask(
      [there = checkpoints->Folders()](const coordinator::Coordinator& coordinator, MonotonicTime,
                                       UnixMillis) -> Result<boost::json::value> {
        return wire::ToJson(coordinator::LeftBehind(coordinator.state(), there));
      });
  if (!asked.ok()) return;
  auto folders = wire::FromJson<std::vector<std::string>>(*asked);
  if (!folders.ok() || folders->empty()) return;
  checkpoints->Drop(std::move(folders).value(), [](const Result<boost::json::object>& deleted) {
    if (!deleted.ok()) LogWarning("server", deleted.error().message);
  });
}

void Server::Impl::TriggerLoop() {
  DropLeftBehind();
  std::unique_lock guard(mutex);
  while (!stopping) {
    guard.unlock();
    const auto due = triggers->Tick(clock.UnixNow() / 1000);
    if (!due.ok()) LogWarning("registry", "triggers: " + due.error().message);
    const Status settled = keys->Settle();
    if (!settled.ok()) LogWarning("server", "agents.json: " + settled.error().message);
    guard.lock();
    wake.wait_for(guard, kTriggerPeriod, [&] { return stopping; });
  }
}

Server::Server(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Server::~Server() = default;

Result<std::unique_ptr<Server>> Server::Start(ServerOptions options,
                                              std::function<void(Error)> on_fatal) {
  auto impl = std::make_unique<Impl>();
  impl->options = std::move(options);
  impl->on_fatal = std::move(on_fatal);
  const auto& home = impl->options.home;
  RaiseDescriptorLimit();
  MUSTER_ASSIGN_OR_RETURN(impl->lock, HomeLock::Take(home));
  const auto last = ReadServerNote(home);
  MUSTER_RETURN_IF_ERROR(impl->OpenStores());
  MUSTER_RETURN_IF_ERROR(impl->OpenKeys());
  impl->MakeRegistry();
  MUSTER_RETURN_IF_ERROR(impl->Listen(last));
  MUSTER_RETURN_IF_ERROR(impl->ListenForCheckpoints(last));
  MUSTER_RETURN_IF_ERROR(impl->StartCoordinator(last));
  MUSTER_RETURN_IF_ERROR(impl->StartAgent());
  MUSTER_RETURN_IF_ERROR(
      WriteServerNote(home, {impl->http->url(), ::getpid(), impl->socket->endpoint(),
                             impl->checkpoint_http ? impl->checkpoint_http->url() : ""}));
  impl->trigger_thread = std::thread([raw = impl.get()] { raw->TriggerLoop(); });
  return std::unique_ptr<Server>(new Server(std::move(impl)));
}

std::string Server::url() const { return impl_->http->url(); }
std::uint16_t Server::port() const { return impl_->http->port(); }

}  // namespace muster::server
