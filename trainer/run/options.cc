#include "trainer/run/options.h"

#include <sched.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <thread>

#include "runtime/base/file.h"

namespace muster::trainer::run {
namespace {

std::string Environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

/// `fallback` unless it is set to a whole number.
std::int64_t EnvironmentNumber(const char* name, std::int64_t fallback) {
  const std::string text = Environment(name);
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool whole = !text.empty() && error == std::errc() && end == text.data() + text.size();
  return whole ? value : fallback;
}

std::string FallbackText(const ParamSpec& spec) {
  if (const auto* text = std::get_if<std::string>(&spec.fallback)) return *text;
  char number[32];
  if (const auto* whole = std::get_if<std::int64_t>(&spec.fallback)) {
    std::snprintf(number, sizeof(number), "%lld", static_cast<long long>(*whole));
  } else {
    std::snprintf(number, sizeof(number), "%g", std::get<double>(spec.fallback));
  }
  return number;
}

std::string HelpText(const ParamSpec& spec) {
  std::string text = spec.help;
  for (std::size_t i = 0; i < spec.choices.size(); ++i) {
    text += (i == 0 ? ": " : " or ") + spec.choices[i];
  }
  return text + " [" + FallbackText(spec) + "]";
}

struct Flags {
  std::map<std::string, std::string> data, params;
  std::string params_file, export_dir, checkpoint, checkpoint_dir;
  std::int64_t seed = 0;
  int keep = 2, keep_best = 1;
  std::vector<std::string> segments;
  std::int64_t bench_steps = 0;
  double peer_silence = 10, peer_behind = 600;
  std::string backend = "auto";
};

void Declare(CLI::App& app, const Trial& trial, const std::vector<ParamSpec>& specs, Flags& flags) {
  std::string columns;
  for (const std::string& column : trial.data().columns()) {
    columns += (columns.empty() ? "" : ", ") + column;
  }
  const std::string data =
      "Data (HDF5 files with datasets " + columns + "; `muster data convert` makes them)";
  app.add_option("--train", flags.data["train"], "rows to learn from")->group(data);
  app.add_option("--validation", flags.data["validation"], "rows to choose the best checkpoint by")
      ->group(data);
  app.add_option("--test", flags.data["test"], "rows held out, for the end and for --export")
      ->group(data);
  for (const ParamSpec& spec : specs) {
    app.add_option("--" + spec.name, flags.params[spec.name], HelpText(spec))->group("Parameters");
  }
  app.add_option("--params", flags.params_file,
                 "read parameters, data and seed from this JSON file (default: $MUSTER_PARAMS); "
                 "flags win")
      ->group("Parameters");
  app.add_option("--seed", flags.seed, "of weights, row order and dropout [0]")
      ->group("Parameters");
  app.add_option(
         "--backend", flags.backend,
         "what carries gradients between ranks: auto, shm (memory that the ranks of one machine "
         "share), mpi, or nccl (a GPU for each rank; also with one rank, to see what it costs). "
         "auto "
         "takes nccl where each rank has a GPU of its own, shm on one machine, else mpi [auto]")
      ->check(CLI::IsMember({"auto", "shm", "mpi", "nccl"}))
      ->group("Ranks");
  app.add_option("--bench-steps", flags.bench_steps,
                 "time so many steps on some batches in memory, print a line of JSON and end")
      ->check(CLI::Range(1, 1'000'000))
      ->group("Ranks");
  app.add_option(
         "--peer-silence", flags.peer_silence,
         "seconds without a word after which a rank is taken for stopped, and the others end [10]")
      ->check(CLI::Range(0.5, 1e6))
      ->group("Ranks");
  app.add_option(
         "--peer-behind", flags.peer_behind,
         "seconds that others may wait for a rank that does not move, before they end [600]")
      ->check(CLI::Range(1.0, 1e6))
      ->group("Ranks");
  const std::string saved = "Checkpoints";
  app.add_option("--checkpoint-dir", flags.checkpoint_dir,
                 "save after each epoch here, and go on from what is there")
      ->group(saved);
  app.add_option("--keep", flags.keep, "newest checkpoints to keep, besides the best [2]")
      ->check(CLI::Range(1, 1'000'000))
      ->group(saved);
  app.add_option("--keep-best", flags.keep_best, "best checkpoints to keep, besides the newest [1]")
      ->check(CLI::Range(1, 1'000'000))
      ->group(saved);
  auto* exported = app.add_option("--export", flags.export_dir,
                                  "write model.onnx, evaluation.safetensors and export.json here "
                                  "instead of training")
                       ->group(saved);
  app.add_option("--checkpoint", flags.checkpoint, "the checkpoint file to export")
      ->needs(exported)
      ->group(saved);
  app.add_option("--segments", flags.segments,
                 "columns of whole numbers of the held-out rows, by which gates tell groups apart")
      ->needs(exported)
      ->delimiter(',')
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->group(saved);
}

std::chrono::milliseconds Milliseconds(double seconds) {
  return std::chrono::milliseconds(std::llround(seconds * 1e3));
}

Result<Options> Merge(const CLI::App& app, const std::vector<ParamSpec>& specs, Flags flags) {
  Options options;
  if (flags.params_file.empty()) flags.params_file = Environment("MUSTER_PARAMS");
  if (!flags.params_file.empty()) {
    MUSTER_ASSIGN_OR_RETURN(const std::string text, ReadWholeFile(flags.params_file));
    auto file = ReadTrialFile(text);
    if (!file.ok()) return file.error().With(flags.params_file);
    options.file = std::move(file).value();
  }
  for (const auto& [role, path] : flags.data) {
    if (!path.empty()) options.file.data[role] = path;
  }
  for (const ParamSpec& spec : specs) {
    if (app.count("--" + spec.name) == 0) continue;
    MUSTER_ASSIGN_OR_RETURN(options.file.params[spec.name],
                            ParseParam(spec, flags.params[spec.name]));
  }
  MUSTER_ASSIGN_OR_RETURN(options.params, ReadParams(specs, options.file.params));
  if (app.count("--seed") > 0) options.file.seed = flags.seed;
  if (app.count("--export") > 0) {
    options.export_dir = flags.export_dir;
    if (flags.checkpoint.empty()) return Invalid("--export wants --checkpoint FILE too");
    if (!options.file.data.contains("test")) {
      return Invalid("--export wants the held-out rows: --test FILE, or data.test in --params");
    }
  } else if (!options.file.data.contains("train")) {
    return Invalid("no training data: --train FILE, or data.train in --params");
  }
  options.checkpoint = flags.checkpoint;
  options.segments = std::move(flags.segments);
  options.checkpoint_dir =
      flags.checkpoint_dir.empty() ? Environment("MUSTER_CHECKPOINT_DIR") : flags.checkpoint_dir;
  options.keep = flags.keep;
  options.keep_best = flags.keep_best;
  options.peer_silence = Milliseconds(flags.peer_silence);
  options.peer_behind = Milliseconds(flags.peer_behind);
  options.backend = flags.backend;
  options.bench_steps = flags.bench_steps;
  return options;
}

void ReadEnvironment(Options& options) {
  options.control_socket = Environment("MUSTER_CONTROL");
  options.heartbeat_file = Environment("MUSTER_HEARTBEAT");
  options.attempt = EnvironmentNumber("MUSTER_ATTEMPT", 0);
  options.container = Environment("MUSTER_CONTAINER");
  options.cloned = !Environment("MUSTER_CLONED_FROM").empty();
  options.job = shm::FindJob(Environment);
  if (options.job) options.rank = options.job->rank;
  if (options.job) options.local_rank = options.job->local_rank;
  // mpirun gives its ranks a terminal of their own, whoever reads the other end.
  options.terminal = isatty(STDOUT_FILENO) == 1 && Environment("OMPI_COMM_WORLD_SIZE").empty();
  const std::int64_t local = options.job ? options.job->local_world_size : 1;
  // A rank that its launcher has bound has its cores to itself.
  cpu_set_t usable;
  const bool known = sched_getaffinity(0, sizeof usable, &usable) == 0;
  const auto online = static_cast<std::int64_t>(std::thread::hardware_concurrency());
  const std::int64_t cores = known ? CPU_COUNT(&usable) : online;
  const std::int64_t share = std::max<std::int64_t>(1, cores < online ? cores : online / local);
  options.threads =
      static_cast<int>(std::max<std::int64_t>(1, EnvironmentNumber("OMP_NUM_THREADS", share)));
}

}  // namespace

ParsedOptions ParseOptions(int argc, char** argv, const Trial& trial) {
  CLI::App app(trial.about(), trial.name());
  app.option_defaults()->multi_option_policy(
      CLI::MultiOptionPolicy::TakeLast);  // so that a flag can be overridden
  app.footer("Two ranks on this machine:  mpirun -n 2 " + trial.name() +
             " --train F --validation F\n"
             "Exit codes: 0 done, 1 failed, 2 wrong flags, 75 stopped on request (start it again "
             "to go on).\nSIGTERM saves a checkpoint and stops; SIGUSR2 saves one and goes on.");
  const std::vector<ParamSpec> specs = WithLoopParams(trial.params());
  Flags flags;
  Declare(app, trial, specs, flags);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return {.options = {}, .exit_code = app.exit(error) == 0 ? 0 : 2};
  }
  auto options = Merge(app, specs, std::move(flags));
  if (!options.ok()) {
    std::fprintf(stderr, "%s: %s\n", trial.name().c_str(), options.error().message.c_str());
    return {.options = {}, .exit_code = 2};
  }
  ReadEnvironment(*options);
  return {.options = std::move(options).value(), .exit_code = 0};
}

}  // namespace muster::trainer::run
