// muster doctor: what this machine and home have, and what is missing, each with its cure.
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <cstdio>
#include <filesystem>
#include <iostream>
#include <memory>
#include <thread>

#include "cluster/local/cgroups.h"
#include "cluster/local/nvml.h"
#include "registry/openvino/module.h"
#include "runtime/base/file.h"
#include "runtime/cli/context.h"
#include "runtime/cli/doctor_cluster.h"
#include "runtime/coordinator/quota.h"
#include "runtime/modules/module.h"
#include "trainer/hdf5/module.h"

namespace muster::cli {
namespace {

struct Finding {
  std::string what;
  bool good = false;
  std::string detail;  ///< what was seen, and the cure when it is not good
};

/// The first line that a command prints and whether it ended well; for version questions only.
std::pair<bool, std::string> FirstLine(const std::string& command) {
  std::string line;
  // The commands are ours, word by word.
  FILE* pipe = popen((command + " 2>&1").c_str(), "r");  // NOLINT(bugprone-command-processor)
  if (pipe == nullptr) return {false, "cannot be started"};
  std::array<char, 256> buffer{};
  if (fgets(buffer.data(), buffer.size(), pipe) != nullptr) line = buffer.data();
  while (fgets(buffer.data(), buffer.size(), pipe) != nullptr) {
  }
  const int status = pclose(pipe);
  while (!line.empty() && (line.back() == '\n' || line.back() == '\r')) line.pop_back();
  return {WIFEXITED(status) && WEXITSTATUS(status) == 0, line};
}

Finding CheckHome(const Context& context) {
  const auto home = context.Home();
  std::error_code failure;
  std::filesystem::create_directories(home, failure);
  if (failure || access(home.c_str(), W_OK) != 0) {
    return {"home", false, home.string() + " cannot be written; name another with --home"};
  }
  struct statvfs space{};
  statvfs(home.c_str(), &space);
  const double free_gib = static_cast<double>(space.f_bavail) *
                          static_cast<double>(space.f_frsize) / static_cast<double>(1 << 30);
  const std::string seen = home.string() + ", " + Short(free_gib) + " GiB free";
  if (free_gib < 1) return {"home", false, seen + "; checkpoints and artifacts need more"};
  return {"home", true, seen};
}

Finding CheckServer(const Context& context) {
  auto client = context.Connect();
  if (!client.ok()) return {"server", false, client.error().message};
  auto version = client->Get("/version");
  if (!version.ok()) return {"server", false, version.error().message};
  if (version->status != 200) {
    return {"server", false,
            client->base_url() + "/version answers " + std::to_string(version->status) +
                "; is it a muster server?"};
  }
  return {"server", true, client->base_url() + " answers as MLflow " + version->body};
}

Finding CheckMpi() {
  const auto [good, line] = FirstLine("mpirun --version");
  return {"mpirun", good, good ? line : "not found; apt-get install openmpi-bin (gangs need it)"};
}

/// The trials that ship lie beside the program; starting one shows that its libraries are found.
Finding CheckTrials(const Context& context) {
  const auto digits = context.program.parent_path() / "digits";
  if (!std::filesystem::exists(digits)) {
    return {"trials", false,
            "no " + digits.string() + "; build with scripts/setup and cmake --build"};
  }
  const auto [good, line] = FirstLine("'" + digits.string() + "' --help");
  return {"trials", good, good ? digits.string() : digits.string() + ": " + line};
}

/// Parts that are loaded when they are needed; loading one shows that its libraries are found.
template <typename Module>
Finding CheckModule(const Context& context, const char* what) {
  const auto folder = context.program.parent_path();
  const auto module = modules::Load<Module>(folder);
  return {what, module.ok(),
          module.ok() ? (folder / Module::kFile).string()
                      : module.error().message + "; install muster's whole bin folder"};
}

Finding CheckGpus() {
  const auto nvml = cluster::local::Nvml::Open();
  if (nvml == nullptr) return {"gpus", true, "none seen; trials run on CPUs"};
  std::string sizes;
  for (std::size_t device = 0; device < nvml->devices(); ++device)
    sizes +=
        (device > 0 ? ", " : "") + coordinator::AmountText("memory", nvml->MemoryBytes(device));
  const auto [good, name] = FirstLine("nvidia-smi --query-gpu=name --format=csv,noheader");
  return {"gpus", true,
          std::to_string(nvml->devices()) + " (" + sizes + ")" + (good ? ": " + name : "")};
}

/// Never missing: without them the agent watches the memory of ranks once a second.
Finding CheckLimits() {
  const auto self = ReadWholeFile("/proc/self/cgroup");
  const auto groups = cluster::local::Cgroups::Find("/sys/fs/cgroup", self.ok() ? *self : "");
  const std::string missing = groups.why_not();
  return {"limits", true,
          missing.empty() ? "memory, cpu and pids are kept by the kernel (control groups)"
                          : missing + "; memory is watched once a second all the same"};
}

int Run(const Context& context) {
  const std::vector<Finding> findings{
      {"cpus", true, std::to_string(std::thread::hardware_concurrency())},
      CheckGpus(),
      CheckLimits(),
      CheckHome(context),
      CheckMpi(),
      CheckTrials(context),
      CheckModule<registry::OpenVinoModule>(context, "inference"),
      CheckModule<trainer::hdf5::Hdf5Module>(context, "datasets"),
      CheckServer(context)};
  bool good = true;
  boost::json::array list;
  Table table({"CHECK", "VERDICT", "SEEN"});
  for (const auto& finding : findings) {
    good = good && finding.good;
    list.push_back({{"check", finding.what}, {"good", finding.good}, {"detail", finding.detail}});
    table.Add({finding.what, finding.good ? "good" : "missing", finding.detail});
  }
  if (!PrintJson(context, boost::json::object{{"findings", list}})) table.Print();
  return good ? kDone : kFailed;
}

}  // namespace

void AddDoctor(CLI::App& app, Context& context) {
  auto* command =
      app.add_subcommand("doctor", "Check this machine and say what is missing, with its cure");
  struct Flags {
    bool cluster = false;
    DoctorClusterFlags of_cluster;
  };
  auto flags = std::make_shared<Flags>();
  auto* cluster = command->add_flag("--cluster", flags->cluster,
                                    "Check the nodes of the server instead, and what is between "
                                    "them: clocks, ports, the shared folder, MPI, bandwidth, "
                                    "versions; by probes that take a slot of each");
  command->add_option("--seconds", flags->of_cluster.seconds, "At most so long, with --cluster")
      ->check(CLI::Range(1, 86'400))
      ->needs(cluster)
      ->capture_default_str();
  command->callback([&context, flags] {
    context.run = [&context, flags] {
      return flags->cluster ? DoctorCluster(context, flags->of_cluster) : Run(context);
    };
  });
}

}  // namespace muster::cli
