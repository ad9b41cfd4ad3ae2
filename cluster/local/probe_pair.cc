#include "cluster/local/probe_pair.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <limits>
#include <map>
#include <memory>
#include <sstream>
#include <thread>
#include <vector>

#include "runtime/base/file.h"
#include "runtime/base/random.h"

namespace muster::cluster::local {
namespace {

using namespace std::chrono_literals;
using std::chrono::steady_clock;

constexpr int kClockRounds = 9;
constexpr int kExclusiveRounds = 20;
constexpr int kVisibleRounds = 3;
constexpr auto kVisibleAtMost = 5s;
constexpr auto kDialBack = 3s;
constexpr std::size_t kFloatsFirst = 64 << 10, kFloatsMost = 2 << 20;  // 256 KiB and 8 MiB
constexpr double kSecondsOfReduce = 0.6;

std::int64_t UnixNanoseconds() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

double Seconds(steady_clock::duration time) { return std::chrono::duration<double>(time).count(); }

/// An all-reduce of two ranks as a ring does it: each sums one half, then hands it to the other. kCorrupt when the sum
/// is wrong.
Status Reduce(LineChannel& channel, std::size_t floats, bool lower) {
  const std::size_t half = floats / 2;
  std::vector<float> mine(2 * half, lower ? 1.0F : 2.0F), theirs(half);
  const std::span<float> own(mine.data() + (lower ? 0 : half), half);
  const std::span<float> other(mine.data() + (lower ? half : 0), half);
  MUSTER_RETURN_IF_ERROR(channel.Exchange(other, theirs));
  for (std::size_t i = 0; i < half; ++i) own[i] += theirs[i];
  MUSTER_RETURN_IF_ERROR(channel.Exchange(own, other));
  const bool right = std::ranges::all_of(mine, [](float sum) { return sum == 3.0F; });
  return right ? Ok() : Status(Corrupt("the sum of an all-reduce is wrong"));
}

bool IsName(const std::string& name) {
  return !name.empty() && name.size() < 200 && name.front() != '.' &&
         name.find('/') == std::string::npos;
}

MpiSide MpiSideOf(const ProbeSide& side) {
  return {.self_executable = side.self_executable, .address = side.address, .marks = side.marks};
}

/// The listener's side of one call.
class Answers {
 public:
  Answers(LineChannel& channel, const ProbeSide& self, const ProbeFolder& folder)
      : channel_(channel), self_(self), folder_(folder) {}
  ~Answers() {
    if (lock_ >= 0) close(lock_);
  }
  Answers(const Answers&) = delete;
  Answers& operator=(const Answers&) = delete;

  /// Until the caller ends it.
  Status All() {
    for (;;) {
      MUSTER_ASSIGN_OR_RETURN(const std::string line, channel_.Read());
      std::istringstream words(line);
      std::string verb, name, text;
      words >> verb >> name >> text;
      if (verb == "end") return Ok();
      const auto answer = Answer(verb, name, text);
      MUSTER_RETURN_IF_ERROR(
          channel_.Write(answer.ok() ? *answer : "error " + answer.error().message));
      if (verb == "reduce" && answer.ok()) MUSTER_RETURN_IF_ERROR(Reduce(channel_, floats_, false));
    }
  }

 private:
  Result<std::string> Answer(const std::string& verb, const std::string& name,
                             const std::string& text) {
    if (verb == "time") return std::to_string(UnixNanoseconds());
    if (verb == "reduce") return Announce(name);
    if (verb == "dial") return Dial(name, text);
    if (verb == "unlock") return Unlock();
    if (verb == "mpi") return Mpi(name);
    if (verb == "unmpi") return Unmpi();
    if (!IsName(name)) return Invalid("the name '" + name + "'");
    if (verb == "sees") return std::string(folder_.Sees(name) ? "yes" : "no");
    if (verb == "create") return Done(folder_.Create(name, text));
    if (verb == "replace") return Done(folder_.Replace(name, text));
    if (verb == "lock") return Lock(name);
    if (verb != "exclusive") return Invalid("the verb '" + verb + "'");
    MUSTER_ASSIGN_OR_RETURN(const bool won, folder_.CreateAlone(name));
    return std::string(won ? "won" : "lost");
  }
  static Result<std::string> Done(const Status& status) {
    if (!status.ok()) return status.error();
    return std::string("ok");
  }
  Result<std::string> Announce(const std::string& count) {
    std::from_chars(count.data(), count.data() + count.size(), floats_);
    if (floats_ < 2 || floats_ > kFloatsMost) return Invalid(count + " floats");
    return std::string("ok");
  }
  static Result<std::string> Dial(const std::string& address, const std::string& text) {
    int port = 0;
    std::from_chars(text.data(), text.data() + text.size(), port);
    const auto channel = LineChannel::Dial(address, port, kDialBack);
    if (!channel.ok()) return channel.error();
    return std::string("ok");
  }
  Result<std::string> Mpi(const std::string& secret) {
    if (secret.empty()) return Invalid("no secret");
    MUSTER_ASSIGN_OR_RETURN(daemon_, DaemonForHello::Open(MpiSideOf(self_), secret));
    return std::to_string(daemon_->port());
  }
  Result<std::string> Unmpi() {
    daemon_.reset();
    return std::string("ok");
  }
  Result<std::string> Lock(const std::string& name) {
    lock_ = open(folder_.file(name).c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (lock_ < 0 || flock(lock_, LOCK_EX | LOCK_NB) != 0) return IoError("lock " + name, errno);
    return std::string("ok");
  }
  Result<std::string> Unlock() {
    if (lock_ >= 0) close(std::exchange(lock_, -1));
    return std::string("ok");
  }

  LineChannel& channel_;
  const ProbeSide& self_;
  const ProbeFolder& folder_;
  std::size_t floats_ = 0;
  int lock_ = -1;
  std::unique_ptr<DaemonForHello> daemon_;
};

/// The caller's side.
class Measures {
 public:
  Measures(LineChannel& channel, const ProbeSide& self, const ProbeFolder& folder,
           const std::string& there, PairFacts& facts)
      : channel_(channel), self_(self), folder_(folder), there_(there), facts_(facts) {}

  Status All() {
    MUSTER_RETURN_IF_ERROR(Clock());
    MUSTER_RETURN_IF_ERROR(Bandwidth());
    MUSTER_RETURN_IF_ERROR(Back());
    MUSTER_RETURN_IF_ERROR(Mpi());
    MUSTER_ASSIGN_OR_RETURN(const std::string sees, channel_.Ask("sees " + self_.node));
    facts_.folder_shared = sees == "yes" && folder_.Sees(facts_.to);
    const Status folder = facts_.folder_shared ? Folder() : Ok();
    if (!folder.ok()) facts_.folder_error = folder.error().message;
    return channel_.Write("end");
  }

 private:
  [[nodiscard]] std::string Name(const std::string& what) const {
    return self_.node + "-" + facts_.to + "." + what;
  }

  /// As NTP has it: the round trip that took least says most.
  Status Clock() {
    double shortest = std::numeric_limits<double>::infinity();
    for (int round = 0; round < kClockRounds; ++round) {
      const std::int64_t before = UnixNanoseconds();
      const auto begun = steady_clock::now();
      MUSTER_ASSIGN_OR_RETURN(const std::string text, channel_.Ask("time"));
      const double took = Seconds(steady_clock::now() - begun);
      std::int64_t theirs = 0;
      std::from_chars(text.data(), text.data() + text.size(), theirs);
      if (took >= shortest) continue;
      shortest = took;
      facts_.clock_ahead_ms = static_cast<double>(theirs - before) / 1e6 - took * 1e3 / 2;
    }
    facts_.latency_us = shortest * 1e6;
    return Ok();
  }

  /// The best of what a little more than half a second holds; of a slow link a small one is enough.
  Status Bandwidth() {
    double spent = 0;
    for (std::size_t floats = kFloatsFirst; spent < kSecondsOfReduce;) {
      MUSTER_RETURN_IF_ERROR(channel_.Ask("reduce " + std::to_string(floats)));
      const auto begun = steady_clock::now();
      MUSTER_RETURN_IF_ERROR(Reduce(channel_, floats, true));
      const double took = Seconds(steady_clock::now() - begun);
      const double bytes = static_cast<double>(floats * sizeof(float));
      facts_.bytes_a_second = std::max(facts_.bytes_a_second, bytes / took);
      spent += took;
      if (took < kSecondsOfReduce / 16) floats = std::min(kFloatsMost, floats * 4);
    }
    return Ok();
  }

  Status Back() {
    auto listener = Listener::Open(self_.address, self_.port);
    if (!listener.ok()) {
      facts_.back_error = listener.error().message;
      return Ok();
    }
    const auto answer =
        channel_.Ask("dial " + self_.address + " " + std::to_string(listener->port()));
    if (!answer.ok()) facts_.back_error = answer.error().message;
    return Ok();
  }

  /// Without the other way mpirun would wait for it in vain.
  Status Mpi() {
    if (self_.self_executable.empty() || !facts_.back_error.empty()) return Ok();
    const std::string secret = RandomHex(16);
    const auto answer = channel_.Ask("mpi " + secret);
    if (!answer.ok()) {
      facts_.mpi_error = answer.error().message;
      return Ok();
    }
    int port = 0;
    std::from_chars(answer->data(), answer->data() + answer->size(), port);
    const auto took = HelloAcross(MpiSideOf(self_), there_, port, secret);
    if (took.ok()) facts_.mpi_seconds = *took;
    if (!took.ok()) facts_.mpi_error = took.error().message;
    const auto ended = channel_.Ask("unmpi");
    return ended.ok() ? Ok() : Status(ended.error());
  }

  Status Folder() {
    MUSTER_RETURN_IF_ERROR(Visible());
    MUSTER_RETURN_IF_ERROR(Rename());
    MUSTER_RETURN_IF_ERROR(Exclusive());
    return Lock();
  }

  /// A name that was looked for in vain before: clients of NFS remember that, too.
  Status Visible() {
    for (int round = 0; round < kVisibleRounds && facts_.visible_ms >= 0; ++round) {
      const std::string name = Name("new" + std::to_string(round));
      (void)ReadWholeFile(folder_.file(name));
      MUSTER_RETURN_IF_ERROR(channel_.Ask("create " + name + " text"));
      const auto begun = steady_clock::now();
      auto seen = ReadWholeFile(folder_.file(name));
      while (!(seen.ok() && *seen == "text") && steady_clock::now() - begun < kVisibleAtMost) {
        std::this_thread::sleep_for(2ms);
        seen = ReadWholeFile(folder_.file(name));
      }
      const bool there = seen.ok() && *seen == "text";
      const double ms = Seconds(steady_clock::now() - begun) * 1e3;
      facts_.visible_ms = there ? std::max(facts_.visible_ms, ms) : -1;
      folder_.Remove(name);
    }
    return Ok();
  }

  Status Rename() {
    const std::string name = Name("replaced");
    MUSTER_RETURN_IF_ERROR(channel_.Ask("create " + name + " before"));
    const int fd = open(folder_.file(name).c_str(), O_RDONLY | O_CLOEXEC);
    const int open_error = errno;
    MUSTER_RETURN_IF_ERROR(channel_.Ask("replace " + name + " after"));
    std::array<char, 16> bytes{};
    const ssize_t got = fd < 0 ? -1 : pread(fd, bytes.data(), bytes.size(), 0);
    const int read_error = fd < 0 ? open_error : errno;
    if (fd >= 0) close(fd);
    const std::string old(bytes.data(), static_cast<std::size_t>(std::max<ssize_t>(0, got)));
    if (got < 0) {
      facts_.rename_error = IoError("read it", read_error).message;
    } else if (old != "before") {
      facts_.rename_error = "it reads '" + old + "', not what it was";
    }
    const auto now = ReadWholeFile(folder_.file(name));
    if (facts_.rename_error.empty() && (!now.ok() || *now != "after"))
      facts_.rename_error = "opened again it is not the new one";
    folder_.Remove(name);
    return Ok();
  }

  Status Exclusive() {
    for (int round = 0; round < kExclusiveRounds; ++round) {
      const std::string name = Name("one" + std::to_string(round));
      MUSTER_RETURN_IF_ERROR(channel_.Write("exclusive " + name));
      const auto won = folder_.CreateAlone(name);
      MUSTER_ASSIGN_OR_RETURN(const std::string other, channel_.Read());
      if (!won.ok()) return won.error();
      if (*won && other == "won") ++facts_.both_created;
      folder_.Remove(name);
    }
    return Ok();
  }

  Status Lock() {
    const std::string name = Name("lock");
    MUSTER_RETURN_IF_ERROR(channel_.Ask("lock " + name));
    const int fd = open(folder_.file(name).c_str(), O_RDWR | O_CLOEXEC);
    if (fd < 0) return IoError("open " + name, errno);
    const bool kept_out = flock(fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK;
    const auto unlocked = channel_.Ask("unlock");
    facts_.locks = kept_out && unlocked.ok() && flock(fd, LOCK_EX | LOCK_NB) == 0;
    close(fd);
    folder_.Remove(name);
    return Ok();
  }

  LineChannel& channel_;
  const ProbeSide& self_;
  const ProbeFolder& folder_;
  const std::string& there_;  ///< the listener's address
  PairFacts& facts_;
};

}  // namespace

Status AnswerProbe(Listener& listener, const ProbeSide& self, const ProbeFolder& folder) {
  const auto deadline = steady_clock::now() + self.patience;
  for (;;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - steady_clock::now());
    MUSTER_ASSIGN_OR_RETURN(LineChannel channel, listener.Accept(std::max(left, 0ms)));
    const auto hello = channel.Read();
    if (!hello.ok() || !hello->starts_with("probe " + self.id + " ")) continue;  // a stranger
    MUSTER_RETURN_IF_ERROR(channel.Write("ok " + self.node));
    return Answers(channel, self, folder).All();
  }
}

PairFacts MeasurePair(const ProbeSide& self, const std::string& to, const std::string& address,
                      int port, const ProbeFolder& folder) {
  PairFacts facts{.from = self.node, .to = to};
  const std::string place = address + ":" + std::to_string(port);
  auto channel = LineChannel::Dial(address, port, self.patience);
  if (!channel.ok()) {
    facts.error = self.node + " does not reach " + to + ": " + channel.error().message;
    return facts;
  }
  const auto hello = channel->Ask("probe " + self.id + " " + self.node);
  if (!hello.ok() || *hello != "ok " + to) {
    facts.error = "who answers at " + place + " is not " + to +
                  "'s probe: " + (hello.ok() ? "it says '" + *hello + "'" : hello.error().message);
    return facts;
  }
  const Status measured = Measures(*channel, self, folder, address, facts).All();
  if (!measured.ok()) facts.error = "at " + place + ": " + measured.error().message;
  return facts;
}

}  // namespace muster::cluster::local
