// The program that the tests of cluster/local start: the hidden subcommands of `muster`, and ranks that
// behave as a test wants.
//   shim DIR | rank DIR -- CMD... | inspect DIR WHY RANK...   as in `muster`
//   say N [END]     sends N metric records, each after the ack of the one before, then ends with code END
//   obey            says "resumed", then prints commands and signals until it is told to stop; ends with 75
//   hold N          holds N MiB, which a child shares, and sleeps
//   escape          leaves a child with its own session and no environment behind, and sleeps
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

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

/// Memory that a child shares.
int Hold(std::size_t mebibytes) {
  const std::vector<char> memory(mebibytes << 20, 'x');
  fork();
  pause();
  return memory.back();
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> args(argv + std::min(argc, 2), argv + argc);
  const std::string mode = argc > 1 ? argv[1] : "";
  if (mode == "shim") return muster::cluster::local::ShimMain(args);
  if (mode == "rank") return muster::cluster::local::RankMain(args);
  if (mode == "inspect") return muster::cluster::local::InspectMain(args);
  if (mode == "say") return Say(std::stoi(args.at(0)), args.size() > 1 ? std::stoi(args[1]) : 0);
  if (mode == "obey") return Obey();
  if (mode == "hold") return Hold(std::stoul(args.at(0)));
  if (mode == "escape") return Escape();
  return 2;
}
