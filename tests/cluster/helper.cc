// The program that the tests of cluster/local start: the hidden subcommands of `muster`, and ranks that
// behave as a test wants.
//   shim DIR | rank | remote-start HOST CMD... | inspect DIR WHY RANK...   as in `muster`
//   say N [END]     sends N metric records, each after the ack of the one before, then ends with code END
//   obey            says "resumed", then prints commands and signals until it is told to stop; ends with 75
//   hold N          holds N MiB, which a child shares, and sleeps
//   lockstep R MS [N]  trains beside its peers, with beats; rank R takes MS a step, the others 5, and stands for ever
//                   in its step N
//   headless        sleeps in its second thread; the first has ended
//   save STEP END   writes "STEP" to the file w of its checkpoint folder and, without waiting for an ack, says a metric, the
//                   checkpoint and a metric; then ends with code END
//   checkpoints pull|push DIR [STEP]   as `muster checkpoints`, but that the server is the folder `checkpoint_url`, and
//                   <url>.hold makes a push wait, <url>.refuse makes it fail, <url>.die kills a pull, once
//   escape          leaves a child with its own session and no environment behind, and sleeps
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "cluster/local/attempt_folder.h"
#include "cluster/local/checkpoint_push.h"
#include "cluster/local/inspect.h"
#include "cluster/local/shim.h"
#include "runtime/wire/trial_record.h"

namespace {

int Connect() {
  sockaddr_un address{.sun_family = AF_UNIX};
  std::strncpy(address.sun_path, getenv("MUSTER_CONTROL"), sizeof address.sun_path - 1);
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
    std::perror("connect");
    std::exit(9);
  }
  return fd;
}

std::string ReadLine(int fd) {
  std::string line;
  for (char c = 0; read(fd, &c, 1) == 1 && c != '\n';) line += c;
  return line;
}

void Send(int fd, const muster::wire::TrialRecord& record) {
  const std::string line = muster::wire::EncodeRecord(record);
  if (write(fd, line.data(), line.size()) < 0) std::exit(8);
}

int Say(int count, int end) {
  const int fd = Connect();
  for (int i = 0; i < count; ++i) {
    Send(fd, {.step = i, .metrics = {{"loss", 1.0 / (i + 1)}}});
    if (ReadLine(fd) != "{\"ack\":" + std::to_string(i + 1) + "}") return 7;
    usleep(2000);
  }
  return end;
}

int Save(int step, int end) {
  using muster::wire::RecordType;
  const std::filesystem::path file = std::filesystem::path(getenv("MUSTER_CHECKPOINT_DIR")) / "w";
  std::ofstream(file) << step;
  const int fd = Connect();
  Send(fd, {.step = step, .metrics = {{"loss", 1.0}}});
  Send(fd, {.type = RecordType::kCheckpoint, .step = step, .path = file.string()});
  Send(fd, {.step = step + 1, .metrics = {{"loss", 1.0}}});
  return end;
}

int Checkpoints(const std::vector<std::string>& args) {
  namespace fs = std::filesystem;
  namespace local = muster::cluster::local;
  const local::AttemptFolder folder(args.at(1), getenv("MUSTER_HOME_ID"));
  const std::string server = folder.ReadPrepare()->checkpoint_url;
  const auto copy = [](const fs::path& from, const fs::path& to) {
    fs::remove_all(to);
    fs::copy(from, to, fs::copy_options::recursive);
  };
  if (!fs::exists(server)) {
    std::fprintf(stderr, "one line\n%s is away\n", server.c_str());
    return 1;
  }
  if (args[0] == "pull") {
    if (fs::remove(server + ".die")) raise(SIGKILL);
    copy(server, folder.checkpoints());
    return 0;
  }
  while (fs::exists(server + ".hold")) usleep(2000);
  if (fs::exists(server + ".refuse")) return 1;
  copy(folder.checkpoints(), server);
  if (args.size() > 2) copy(server, server + ".at" + args[2]);
  return fs::exists(server + ".unkept") ? local::kPushedNotKept : 0;
}

int Obey() {
  signal(SIGUSR2, [](int) { [[maybe_unused]] auto n = write(1, "USR2\n", 5); });
  signal(SIGTERM, [](int) { [[maybe_unused]] auto n = write(1, "TERM\n", 5); });
  const int fd = Connect();
  Send(fd, {.type = muster::wire::RecordType::kResumed});
  while (true) {
    const std::string line = ReadLine(fd);
    std::printf("%s\n", line.c_str());
    std::fflush(stdout);
    if (line.find("stop") != std::string::npos) return 75;
  }
}

int Escape() {
  if (fork() == 0) {
    setsid();
    if (fork() == 0) {
      execle("/bin/sleep", "sleep", "3600", static_cast<char*>(nullptr),
             static_cast<char* const*>(nullptr));
    }
    _exit(0);
  }
  pause();
  return 0;
}

/// Its peers are met in a file that all map, by polling as some libraries do.
int Lockstep(int slow_rank, int slow_ms, std::int64_t stand_at) {
  constexpr std::size_t kRanksMost = 64;
  const auto rank = std::stoul(getenv("RANK"));
  const auto ranks = std::stoul(getenv("WORLD_SIZE"));
  const int meeting = open("meeting", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  const int beats = open(getenv("MUSTER_HEARTBEAT"), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  constexpr std::size_t kSize = kRanksMost * sizeof(std::atomic<std::int64_t>);
  if (meeting < 0 || beats < 0 || ftruncate(meeting, kSize) != 0) return 9;
  void* memory = mmap(nullptr, kSize, PROT_READ | PROT_WRITE, MAP_SHARED, meeting, 0);
  if (memory == MAP_FAILED) return 9;
  auto* reached = static_cast<std::atomic<std::int64_t>*>(memory);
  const bool slow = static_cast<int>(rank) == slow_rank;
  const auto beat = [beats](std::int64_t step, int phase) {
    const std::string line = std::to_string(step * 2 + phase) + " " + std::to_string(step) +
                             " 100000 " + (phase == 0 ? "forward" : "meet") + "\n";
    return pwrite(beats, line.data(), line.size(), 0) == static_cast<ssize_t>(line.size());
  };
  for (std::int64_t step = 1; beat(step, 0); ++step) {
    if (slow && step == stand_at) pause();
    usleep(static_cast<useconds_t>(slow ? slow_ms : 5) * 1000);
    if (!beat(step, 1)) return 8;
    reached[rank] = step;
    for (std::size_t peer = 0; peer < ranks; ++peer) {
      while (reached[peer] < step) usleep(500);
    }
  }
  return 8;
}

[[noreturn]] void Headless() {
  std::thread([] { pause(); }).detach();
  pthread_exit(nullptr);
}

/// Memory that a child shares.
int Hold(std::size_t mebibytes) {
  const std::vector<char> memory(mebibytes << 20, 'x');
  fork();
  pause();
  return static_cast<int>(memory.size());
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> args(argv + std::min(argc, 2), argv + argc);
  const std::string mode = argc > 1 ? argv[1] : "";
  if (mode == "shim") return muster::cluster::local::ShimMain(args);
  if (mode == "rank") return muster::cluster::local::RankMain(args);
  if (mode == "remote-start") return muster::cluster::local::RemoteStartMain(args);
  if (mode == "inspect") return muster::cluster::local::InspectMain(args);
  if (mode == "say") return Say(std::stoi(args.at(0)), args.size() > 1 ? std::stoi(args[1]) : 0);
  if (mode == "obey") return Obey();
  if (mode == "save") return Save(std::stoi(args.at(0)), std::stoi(args.at(1)));
  if (mode == "checkpoints") return Checkpoints(args);
  if (mode == "hold") return Hold(std::stoul(args.at(0)));
  if (mode == "headless") Headless();
  if (mode == "escape") return Escape();
  if (mode == "lockstep") {
    return Lockstep(std::stoi(args.at(0)), std::stoi(args.at(1)),
                    args.size() > 2 ? std::stoi(args[2]) : 0);
  }
  return 2;
}
