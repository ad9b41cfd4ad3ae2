// muster serve
#include <memory>

#include "registry/serve/alias_follower.h"
#include "registry/serve/model_server.h"
#include "runtime/base/file.h"
#include "runtime/base/log.h"
#include "runtime/base/stop_signals.h"
#include "runtime/cli/context.h"
#include "runtime/cli/model_fetch.h"
#include "runtime/cli/serve_challenger.h"
#include "runtime/http/server.h"
#include "runtime/modules/engines.h"

namespace muster::cli {
namespace {

struct ServeFlags {
  std::string model, host = "127.0.0.1", port_file, access_log, engine = "openvino", library;
  std::uint16_t port = 7071;
  int threads = 1;
  registry::serve::BatchOptions batch;
  std::int64_t delay_us = 0;
  ChallengerFlags challenger;
};

int Serve(const Context& context, const ServeFlags& flags) {
  StopSignals signals;
  auto source = MakeModelSource(context, flags.model);
  if (!source.ok()) return Fail(context, source.error());
  const std::filesystem::path folder = context.program.parent_path();
  const auto engine = flags.engine == "onnxruntime"
                          ? modules::MakeOnnxRuntimeEngine(folder, flags.library)
                          : modules::MakeOpenVinoEngine(folder);
  registry::serve::BatchOptions batch = flags.batch;
  batch.delay = std::chrono::microseconds(flags.delay_us);
  registry::serve::ModelServerOptions serving{.version = MUSTER_VERSION, .batch = batch};
  std::unique_ptr<registry::serve::AccessLogFile> log;
  if (!flags.access_log.empty()) {
    auto opened = registry::serve::AccessLogFile::Open(flags.access_log);
    if (!opened.ok()) return Fail(context, opened.error());
    log = std::move(*opened);
    serving.access_log = [&log = *log](const registry::serve::AccessRecord& record) {
      log.Write(registry::serve::AccessLine(record));
    };
  }
  registry::serve::ModelServer models(*engine, std::move(serving));
  registry::serve::AliasFollower follower(**source, models);
  if (const Status first = follower.Step(); !first.ok()) return Fail(context, first.error());
  http::Router router;
  models.AddRoutes(router);
  http::ServerOptions options;
  options.host = flags.host;
  options.port = flags.port;
  options.threads = flags.threads;
  auto server = http::Server::Start(options, router);
  if (!server.ok()) return Fail(context, server.error());
  const registry::serve::ModelLocation first_served =
      *follower.serving();  // the thread's, once it runs
  follower.Start();
  const auto challenger = StartChallenger(context, flags.challenger, flags.model, models);
  if (!challenger.ok()) return Fail(context, challenger.error());
  if (!flags.port_file.empty()) {
    const Status written =
        WriteFileAtomically(flags.port_file, std::to_string((*server)->port()) + "\n");
    if (!written.ok()) return Fail(context, written.error());
  }
  LogInfo("serve", flags.model + " on " + (*server)->url() + "/v2/models/" + first_served.name +
                       " (version " + std::to_string(first_served.version) + ")");
  signals.Wait();
  // First: the follower may be in the middle of a fetch.
  (*server)->Stop();
  follower.Stop();
  return kDone;
}

}  // namespace

void AddServe(CLI::App& app, Context& context) {
  auto* command = app.add_subcommand(
      "serve", "Serve a model over HTTP (Open Inference Protocol v2, MLflow's /invocations)");
  auto flags = std::make_shared<ServeFlags>();
  command
      ->add_option("--model", flags->model,
                   "NAME@ALIAS (followed when it moves), NAME/VERSION, or a directory")
      ->required();
  command->add_option("--host", flags->host, "Address to listen on")->capture_default_str();
  command->add_option("--port", flags->port, "Port; 0 picks one")->capture_default_str();
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
  command->callback(
      [&context, flags] { context.run = [&context, flags] { return Serve(context, *flags); }; });
}

}  // namespace muster::cli
