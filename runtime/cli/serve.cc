// muster serve
#include <filesystem>
#include <memory>
#include <optional>
#include <vector>

#include "registry/serve/alias_follower.h"
#include "registry/serve/memory.h"
#include "registry/serve/model_server.h"
#include "runtime/base/file.h"
#include "runtime/base/log.h"
#include "runtime/base/stop_signals.h"
#include "runtime/cli/context.h"
#include "runtime/cli/model_fetch.h"
#include "runtime/cli/serve_challenger.h"
#include "runtime/cli/serve_monitor.h"
#include "runtime/http/server.h"
#include "runtime/modules/engines.h"

namespace muster::cli {
namespace {

namespace serve = registry::serve;

struct ServeFlags {
  std::string model, name, repository, host, port_file, access_log, engine = "openvino", library;
  std::vector<std::string> load;
  std::optional<std::uint16_t> port;
  int threads = 1;
  serve::BatchOptions batch;
  std::int64_t delay_us = 0;
  std::uint64_t memory_mb = 0;
  ChallengerFlags challenger;
  MonitorFlags monitor;
};

/// What is served, and where: the flags', and where they name no model the platform's.
struct Plan {
  std::optional<serve::Container> container;
  std::optional<serve::ModelRepository> repository;
  std::unique_ptr<serve::ModelSource> source;                 ///< null with a repository
  std::optional<registry::monitor::MonitorSettings> monitor;  ///< nothing: nobody watches
  http::ServerOptions http;
};

Result<std::optional<serve::Container>> ContainerHere(const ServeFlags& flags) {
  // With a model of its own only Vertex AI still says which routes it calls.
  const bool named = !flags.model.empty() || !flags.repository.empty();
  if (named && !EnvironmentVariable("AIP_HTTP_PORT")) return std::optional<serve::Container>();
  return serve::ContainerOf(EnvironmentVariable, [](const std::filesystem::path& path) {
    std::error_code failed;
    return std::filesystem::is_directory(path, failed);
  });
}

Result<Plan> MakePlan(const Context& context, const ServeFlags& flags) {
  Plan plan;
  MUSTER_ASSIGN_OR_RETURN(plan.container, ContainerHere(flags));
  MUSTER_ASSIGN_OR_RETURN(plan.monitor, ReadMonitorFlags(flags.monitor));
  constexpr std::uint16_t kPort = 7071;
  plan.http.port = flags.port.value_or(plan.container ? plan.container->port : kPort);
  plan.http.host = !flags.host.empty() ? flags.host : plan.container ? "0.0.0.0" : "127.0.0.1";
  plan.http.allow_remote = !flags.host.empty() || plan.container;  // somebody said so
  plan.http.threads = flags.threads;
  if (plan.container) plan.http.stop_grace = std::chrono::seconds(25);  // SIGKILL comes after 30
  std::string model = flags.model, repository = flags.repository;
  if (model.empty() && repository.empty() && plan.container) {
    model = plan.container->model.string();
    repository = plan.container->repository.string();
  }
  if (model.empty() == repository.empty()) {
    return Invalid("give either --model or --repository" +
                   (plan.container ? ": " + plan.container->platform + " named no model" : ""));
  }
  if (model.starts_with("gs://")) {
    return Unsupported(model +
                       " is not fetched: copy it into the container before, and name the "
                       "folder with --model");
  }
  if (!repository.empty()) {
    plan.repository.emplace(repository);
    return plan;
  }
  MUSTER_ASSIGN_OR_RETURN(plan.source, MakeModelSource(context, model, flags.name));
  return plan;
}

/// The models that are there from the start. One that is named must load; of all, those that do.
Status LoadAll(serve::ModelServer& models, const serve::ModelRepository& repository,
               std::vector<std::string> names) {
  const bool all = names.empty();
  if (all) {
    MUSTER_ASSIGN_OR_RETURN(names, repository.Names());
  }
  for (const std::string& name : names) {
    const Status loaded = models.LoadNamed(name);
    if (loaded.ok()) continue;
    if (!all) return loaded.error().With("model '" + name + "'");
    LogWarning("serve", "model '" + name + "' is not loaded: " + loaded.error().message);
  }
  return Ok();
}

/// Loads, listens and serves until a signal.
Status Run(const Context& context, const ServeFlags& flags, const Plan& plan,
           serve::ModelServer& models, StopSignals& signals) {
  std::optional<serve::AliasFollower> follower;
  std::string what = flags.repository;
  if (plan.repository) {
    // A platform loads what it wants, when it wants it.
    if (!plan.container) MUSTER_RETURN_IF_ERROR(LoadAll(models, *plan.repository, flags.load));
  } else {
    follower.emplace(*plan.source, models);
    MUSTER_RETURN_IF_ERROR(follower->Step());
    // The thread's, once it runs.
    const serve::ModelLocation& serving = *follower->serving();
    what = serving.name + " version " + std::to_string(serving.version);
  }
  http::Router router;
  models.AddRoutes(router, plan.container);
  MUSTER_ASSIGN_OR_RETURN(const auto server, http::Server::Start(plan.http, router));
  if (follower) follower->Start();
  MUSTER_ASSIGN_OR_RETURN(const auto challenger,
                          StartChallenger(context, flags.challenger, flags.model, models));
  const auto monitor =
      plan.monitor ? StartMonitor(context, flags.monitor, *plan.monitor, models) : nullptr;
  if (!flags.port_file.empty()) {
    MUSTER_RETURN_IF_ERROR(
        WriteFileAtomically(flags.port_file, std::to_string(server->port()) + "\n"));
  }
  LogInfo("serve", what + " on " + server->url() +
                       (plan.container ? " for " + plan.container->platform : ""));
  signals.Wait();
  // First: the follower may be in the middle of a fetch.
  server->Stop();
  if (follower) follower->Stop();
  return Ok();
}

int Serve(const Context& context, const ServeFlags& flags) {
  StopSignals signals;
  serve::MapLargeBlocks();
  auto plan = MakePlan(context, flags);
  if (!plan.ok()) return Fail(context, plan.error());
  std::unique_ptr<serve::AccessLogFile> log;
  serve::ModelServerOptions options{.version = MUSTER_VERSION,
                                    .batch = flags.batch,
                                    .body_max = plan->http.max_body,
                                    .concurrency = flags.threads,
                                    .memory_max = flags.memory_mb << 20U};
  if (plan->monitor) options.watch = WatchOptionsOf(*plan->monitor);
  options.batch.delay = std::chrono::microseconds(flags.delay_us);
  if (plan->repository) options.repository = &*plan->repository;
  if (!flags.access_log.empty()) {
    auto opened = serve::AccessLogFile::Open(flags.access_log);
    if (!opened.ok()) return Fail(context, opened.error());
    log = std::move(*opened);
    options.access_log = [&log = *log](const serve::AccessRecord& record) {
      log.Write(serve::AccessLine(record));
    };
  }
  const std::filesystem::path folder = context.program.parent_path();
  const auto engine = flags.engine == "onnxruntime"
                          ? modules::MakeOnnxRuntimeEngine(folder, flags.library)
                          : modules::MakeOpenVinoEngine(folder);
  serve::ModelServer models(*engine, std::move(options));
  const Status served = Run(context, flags, *plan, models, signals);
  return served.ok() ? kDone : Fail(context, served.error());
}

}  // namespace

void AddServe(CLI::App& app, Context& context) {
  auto* command = app.add_subcommand(
      "serve",
      "Serve models over HTTP: Open Inference Protocol v2 with Triton's extensions, MLflow's "
      "/invocations, KServe v1, and the contracts of SageMaker, Vertex AI and Azure ML, whose "
      "environment it reads where neither --model nor --repository is given");
  auto flags = std::make_shared<ServeFlags>();
  auto* model = command->add_option(
      "--model", flags->model, "NAME@ALIAS (followed when it moves), NAME/VERSION, or a directory");
  command->add_option("--name", flags->name,
                      "What a directory's model is called; default: the folder's name");
  auto* repository =
      command
          ->add_option("--repository", flags->repository,
                       "Folder of models in Triton's layout, NAME/VERSION/model.onnx, "
                       "which clients load and unload; the latest versions are served")
          ->excludes(model);
  command
      ->add_option("--load", flags->load,
                   "Model of the repository to load at the start, may be repeated; default: all "
                   "that load")
      ->needs(repository);
  command->add_option("--host", flags->host,
                      "Address to listen on; default: 127.0.0.1, in a container 0.0.0.0");
  command->add_option("--port", flags->port,
                      "Port; 0 picks one; default: 7071, in a container the platform's");
  command
      ->add_option(
          "--memory-mb", flags->memory_mb,
          "Load no model that would take this process beyond so many MiB (507); 0: no bound")
      ->capture_default_str();
  command->add_option("--port-file", flags->port_file, "Write the port there once it is ready");
  command->add_option("--access-log", flags->access_log,
                      "Append a JSON object a request to this file; -: standard output");
  command->add_option("--engine", flags->engine, "What computes")
      ->check(CLI::IsMember({"openvino", "onnxruntime"}))
      ->capture_default_str();
  command->add_option("--onnxruntime", flags->library,
                      "The file of another libonnxruntime, for --engine onnxruntime");
  command->add_option("--threads", flags->threads, "Threads that answer requests")
      ->check(CLI::Range(1, 64))
      ->capture_default_str();
  command
      ->add_option("--batch-rows", flags->batch.rows,
                   "Most rows that requests which come at the same time are computed in together; "
                   "1: each by itself")
      ->check(CLI::Range(1, 1 << 20))
      ->capture_default_str();
  command
      ->add_option("--batch-delay-us", flags->delay_us,
                   "Microseconds that the first request of a batch waits for others; 0: whoever "
                   "waits while the model computes makes the next batch")
      ->check(CLI::Range(0, 10'000'000))
      ->capture_default_str();
  command
      ->add_option("--instances", flags->batch.instances,
                   "Batches that are computed at the same time")
      ->check(CLI::Range(1, 256))
      ->capture_default_str();
  command
      ->add_option("--queue", flags->batch.queue,
                   "Requests that may wait for a batch; one more is answered with 429")
      ->check(CLI::Range(1, 1 << 20))
      ->capture_default_str();
  AddChallengerFlags(*command, flags->challenger);
  AddMonitorFlags(*command, flags->monitor);
  command->callback(
      [&context, flags] { context.run = [&context, flags] { return Serve(context, *flags); }; });
}

}  // namespace muster::cli
