#include "cluster/local/contract.h"

#include <arpa/inet.h>

#include <algorithm>
#include <cstdint>
#include <set>

#include "cluster/local/visible_devices.h"

namespace muster::cluster::local {
namespace {

/// The GPUs that the gang holds on this node. Every rank sees all of them and takes its own by LOCAL_RANK, as
/// under torchrun.
std::string VisibleDevices(const wire::Prepare& prepare, const std::string* agents) {
  std::set<int> held;
  for (const wire::DeviceShare& share : prepare.devices) held.insert(share.device);
  std::string devices;
  for (const int device : held)
    devices += (devices.empty() ? "" : ",") + DeviceName(agents, device);
  return devices;
}

/// A device's place among those that the gang holds here.
std::size_t PlaceOf(const wire::Prepare& prepare, int device) {
  std::set<int> below;
  for (const wire::DeviceShare& share : prepare.devices) {
    if (share.device < device) below.insert(share.device);
  }
  return below.size();
}

}  // namespace

Environment GangEnvironment(Environment base, const AttemptFolder& folder,
                            const std::string& home_id, const wire::Prepare& prepare,
                            const wire::Go& go) {
  Environment all = std::move(base);
  all["MUSTER_TRIAL"] = prepare.trial.value;
  all["MUSTER_PARAMS"] = folder.params().string();
  all["MUSTER_CHECKPOINT_DIR"] = prepare.checkpoint_dir;
  all["MUSTER_CONTROL"] = folder.control_socket().string();
  all["MUSTER_HEARTBEAT"] = (folder.run() / "rank").string();  // AddRank adds whose
  all["MLFLOW_RUN_ID"] = prepare.run.value;
  all["NODE_RANK"] = all["GROUP_RANK"] = std::to_string(prepare.node_rank);
  all["WORLD_SIZE"] = std::to_string(std::max(prepare.world_size, prepare.ranks));
  all["LOCAL_WORLD_SIZE"] = std::to_string(prepare.ranks);
  all["MASTER_ADDR"] = go.master_address;
  all["MASTER_PORT"] = std::to_string(go.master_port);
  all["OMP_NUM_THREADS"] = std::to_string(prepare.cpus_per_rank);
  if (!prepare.devices.empty()) {
    all["CUDA_DEVICE_ORDER"] = "PCI_BUS_ID";
    const auto agents = all.find("CUDA_VISIBLE_DEVICES");
    const std::string devices =
        VisibleDevices(prepare, agents == all.end() ? nullptr : &agents->second);
    all["CUDA_VISIBLE_DEVICES"] = devices;
  }
  for (const auto& [name, value] : prepare.env) all[name] = value;
  all["MUSTER_ATTEMPT"] = std::to_string(prepare.epoch.value);
  all["MUSTER_HOME_ID"] = home_id;
  return all;
}

void AddRank(Environment& environment, const wire::Prepare& prepare, int rank) {
  const int local = rank - prepare.first_rank;
  environment["RANK"] = std::to_string(rank);
  environment["MUSTER_HEARTBEAT"] += std::to_string(rank) + ".beat";
  environment["LOCAL_RANK"] = std::to_string(local);
  const auto index = static_cast<std::size_t>(local);
  if (prepare.gpus_per_rank == 0 && index < prepare.devices.size()) {
    // GangEnvironment has put the names of all that the gang holds here, in the order of their numbers.
    const auto names = VisibleNames(environment["CUDA_VISIBLE_DEVICES"]);
    const std::size_t place = PlaceOf(prepare, prepare.devices[index].device);
    if (place < names.size()) environment["CUDA_VISIBLE_DEVICES"] = names[place];
  }
}

void BindRank(SpawnRequest& request, const std::vector<RankCpus>& ranks, int local) {
  const auto place = static_cast<std::size_t>(local);
  if (place >= ranks.size()) return;
  request.cpus = ranks[place].cpus;
  request.environment["MUSTER_CPUS"] = CpuListText(request.cpus);
}

std::vector<std::string> MpirunCommand(const std::filesystem::path& self_executable,
                                       const wire::Prepare& prepare,
                                       const std::vector<wire::GangPart>& parts) {
  int ranks = parts.empty() ? prepare.ranks : 0;
  std::string hosts;
  for (std::size_t node = 0; node < parts.size(); ++node) {
    ranks += parts[node].ranks;
    hosts +=
        (node == 0 ? "localhost" : "," + HostOf(node)) + ":" + std::to_string(parts[node].ranks);
  }
  std::vector<std::string> command{"mpirun",          "-np",       std::to_string(ranks),
                                   "--oversubscribe", "--bind-to", "none",
                                   "--stdin",         "none"};
  if (!parts.empty()) command.insert(command.end(), {"--host", hosts, "--map-by", "slot"});
  command.insert(command.end(), {self_executable.string(), "rank"});
  return command;
}

std::string HostOf(std::size_t node_rank) {
  const auto byte = [&](int shift) { return "." + std::to_string((node_rank >> shift) & 255); };
  return "240" + byte(16) + byte(8) + byte(0);
}

std::optional<std::size_t> NodeRankOf(const std::string& host) {
  in_addr address{};
  if (inet_pton(AF_INET, host.c_str(), &address) != 1) return std::nullopt;
  const std::uint32_t number = ntohl(address.s_addr);
  if (number >> 24 != 240) return std::nullopt;
  return number & 0xFF'FFFF;
}

Environment MpiSettingsOfNode(const std::filesystem::path& scratch, const std::string& address) {
  Environment settings{{"OMPI_MCA_orte_tmpdir_base", scratch.string()},
                       {"OMPI_MCA_btl_vader_backing_directory", scratch.string()}};
  in_addr parsed{};
  // A name or an IPv6 address: Open MPI chooses among all interfaces.
  if (inet_pton(AF_INET, address.c_str(), &parsed) != 1) return settings;
  // The interface that has it. Not /32, of which Open MPI 4.1 makes an empty mask, so that every interface fits.
  settings["OMPI_MCA_oob_tcp_if_include"] = settings["OMPI_MCA_btl_tcp_if_include"] =
      address + "/31";
  settings["OMPI_MCA_oob_tcp_disable_ipv6_family"] = "1";
  settings["OMPI_MCA_btl_tcp_disable_family"] = "6";
  return settings;
}

void AddMpiSettings(Environment& environment, const std::filesystem::path& self_executable,
                    const std::filesystem::path& scratch, const std::string& address) {
  const bool spread = !address.empty();
  Environment settings{
      {"OMPI_ALLOW_RUN_AS_ROOT", "1"},
      {"OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1"},
      // More ranks than cores must not spin against each other.
      {"OMPI_MCA_mpi_yield_when_idle", "1"},
      // Without this, Open MPI probes every fabric it knows: 0.2 s a start on one machine.
      {"OMPI_MCA_pml", "ob1"},
      {"OMPI_MCA_btl", spread ? "self,vader,tcp" : "self,vader"},
      {"OMPI_MCA_plm", spread ? "rsh" : "isolated"},
      // The nodes are the coordinator's to choose, also inside an allocation of a batch system.
      {"OMPI_MCA_ras", "^alps,gridengine,lsf,slurm,tm"},
      // A rank's exit code is the agent's to judge; 75 on one rank must not kill the others while they
      // save their checkpoint.
      {"OMPI_MCA_orte_abort_on_non_zero_status", "0"},
  };
  if (spread) {
    settings.merge(
        Environment{{"OMPI_MCA_plm_rsh_agent", self_executable.string() + " remote-start"},
                    {"OMPI_MCA_plm_rsh_no_tree_spawn", "1"},
                    {"OMPI_MCA_plm_rsh_pass_environ_mca_params", "0"},
                    // A daemon that stays its shim's child, and tells by its end that it has ended.
                    {"OMPI_MCA_orte_leave_session_attached", "1"}});
  }
  settings.merge(MpiSettingsOfNode(scratch, address));
  environment.insert(settings.begin(), settings.end());  // what is there already stays
}

}  // namespace muster::cluster::local
