#include "trainer/shm/rendezvous.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <optional>
#include <thread>

#include "runtime/base/sha256.h"

namespace muster::trainer::shm {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::uint64_t kVersion = 0x6d75737465720001;  ///< "muster", 1

struct Hello {
  std::uint64_t version = kVersion;
  std::int64_t ranks = 0;
  std::int64_t rank = 0;
  ProcessId process;
};

/// Followed by a ProcessId of each rank; or by words, when it is a refusal. The segment's file comes with it.
struct Welcome {
  std::uint64_t version = kVersion;
  std::uint32_t slot_bytes = 0;
  std::uint32_t refused = 0;
};
constexpr std::size_t kMessageBytes = sizeof(Welcome) + kRanksMax * sizeof(ProcessId);

std::string RankName(std::int64_t rank, pid_t pid) {
  return "rank " + std::to_string(rank) + " (pid " + std::to_string(pid) + ")";
}

/// The hash, since names are short.
sockaddr_un AddressOf(const std::string& job, socklen_t& length) {
  const std::string name = "muster-ranks-" + std::to_string(geteuid()) + "-" + Sha256Hex(job);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path + 1, name.data(), name.size());  // byte 0 stays 0: no file
  length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
  return address;
}

int MillisecondsTo(Clock::time_point deadline) {
  const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now());
  return static_cast<int>(std::clamp<std::int64_t>(left.count(), 0, 1000));
}

/// The process at the other end; kUnauthorized when another user's.
Result<pid_t> PeerOf(const Descriptor& connection, const std::string& job) {
  ucred peer{};
  socklen_t length = sizeof peer;
  if (getsockopt(connection.get(), SOL_SOCKET, SO_PEERCRED, &peer, &length) != 0) {
    return IoError("SO_PEERCRED", errno);
  }
  if (peer.uid != geteuid()) {
    return Unauthorized("the name of job " + job + " is held by user " + std::to_string(peer.uid));
  }
  if (peer.pid == 0) {
    return Unsupported("the ranks of job " + job + " are in different PID namespaces");
  }
  return peer.pid;
}

/// False when nothing may come any more.
bool Send(const Descriptor& connection, std::string_view bytes, int file = -1) {
  iovec data{.iov_base = const_cast<char*>(bytes.data()), .iov_len = bytes.size()};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
  msghdr message{.msg_iov = &data, .msg_iovlen = 1};
  if (file >= 0) {
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    cmsghdr* const rights = CMSG_FIRSTHDR(&message);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(sizeof file);
    std::memcpy(CMSG_DATA(rights), &file, sizeof file);
  }
  return sendmsg(connection.get(), &message, MSG_NOSIGNAL) == static_cast<ssize_t>(bytes.size());
}

struct Received {
  std::string bytes;  ///< empty: the other end is gone
  Descriptor file;
};

Received Receive(const Descriptor& connection) {
  Received received{.bytes = std::string(kMessageBytes, '\0')};
  iovec data{.iov_base = received.bytes.data(), .iov_len = received.bytes.size()};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
  msghdr message{.msg_iov = &data,
                 .msg_iovlen = 1,
                 .msg_control = control.data(),
                 .msg_controllen = control.size()};
  const ssize_t size = recvmsg(connection.get(), &message, MSG_CMSG_CLOEXEC);
  received.bytes.resize(static_cast<std::size_t>(std::max<ssize_t>(size, 0)));
  const cmsghdr* const rights = CMSG_FIRSTHDR(&message);
  if (rights != nullptr && rights->cmsg_type == SCM_RIGHTS) {
    int file = -1;
    std::memcpy(&file, CMSG_DATA(rights), sizeof file);
    received.file = Descriptor(file);
  }
  return received;
}

template <typename T>
std::string_view BytesOf(const T& value) {
  return {reinterpret_cast<const char*>(&value), sizeof value};
}

Result<std::vector<PeerProcess>> OpenProcesses(const std::vector<ProcessId>& ids) {
  std::vector<PeerProcess> processes;
  for (std::size_t rank = 0; rank < ids.size(); ++rank) {
    auto process = PeerProcess::Open(ids[rank]);
    if (!process.ok()) {
      return Unavailable(RankName(static_cast<std::int64_t>(rank), ids[rank].pid) +
                         " is gone: it ended while the ranks met");
    }
    processes.push_back(std::move(process).value());
  }
  return processes;
}

/// Rank 0's side.
class Host {
 public:
  Host(const MeetOptions& options, ProcessId self)
      : options_(options), deadline_(Clock::now() + options.timeout) {
    ids_.resize(static_cast<std::size_t>(options.rank.world_size));
    ids_[0] = self;
    connections_.resize(ids_.size());
  }

  Result<Meeting> Run() {
    MUSTER_RETURN_IF_ERROR(Listen());
    while (missing_ > 0) {
      if (Clock::now() >= deadline_) return Unavailable(Missing());
      MUSTER_RETURN_IF_ERROR(Wait());
    }
    SegmentLayout layout{.ranks = static_cast<std::uint32_t>(ids_.size()),
                         .slot_bytes = options_.slot_bytes};
    MUSTER_ASSIGN_OR_RETURN(const Descriptor file, CreateSegment(layout));
    MUSTER_ASSIGN_OR_RETURN(Segment segment, Segment::Map(file, layout));
    const Welcome welcome{.slot_bytes = layout.slot_bytes};
    std::string message(BytesOf(welcome));
    for (std::size_t rank = 0; rank < ids_.size(); ++rank) {
      segment.rank(static_cast<std::uint32_t>(rank)).process = ids_[rank];
      message += BytesOf(ids_[rank]);
    }
    // One that has died since is found by OpenProcesses, or later.
    for (std::size_t rank = 1; rank < ids_.size(); ++rank) {
      Send(connections_[rank], message, file.get());
    }
    MUSTER_ASSIGN_OR_RETURN(auto processes, OpenProcesses(ids_));
    return Meeting{.rank = 0, .segment = std::move(segment), .processes = std::move(processes)};
  }

 private:
  Status Listen() {
    listener_ = Descriptor(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
    if (!listener_.open()) return IoError("socket", errno);
    socklen_t length = 0;
    const sockaddr_un address = AddressOf(options_.job, length);
    // An earlier attempt of the job may still be about to end.
    while (bind(listener_.get(), reinterpret_cast<const sockaddr*>(&address), length) != 0) {
      if (errno != EADDRINUSE) return IoError("bind", errno);
      if (Clock::now() >= deadline_) {
        return Conflict("another job meets under the name " + options_.job);
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    if (listen(listener_.get(), kRanksMax) != 0) return IoError("listen", errno);
    missing_ = ids_.size() - 1;
    return Ok();
  }

  /// For a connection or a hello, a second at most.
  Status Wait() {
    std::vector<pollfd> polls{{.fd = listener_.get(), .events = POLLIN}};
    for (const Descriptor& guest : guests_) polls.push_back({.fd = guest.get(), .events = POLLIN});
    // A rank that dies before all are there makes its connection readable.
    for (const Descriptor& known : connections_) {
      polls.push_back({.fd = known.get(), .events = POLLIN});
    }
    if (poll(polls.data(), polls.size(), MillisecondsTo(deadline_)) <= 0) return Ok();
    for (std::size_t rank = 1; rank < connections_.size(); ++rank) {
      if (polls[1 + guests_.size() + rank].revents == 0) continue;
      return Unavailable(RankName(static_cast<std::int64_t>(rank), ids_[rank].pid) +
                         " is gone: it ended while the ranks met");
    }
    std::vector<Descriptor> still;
    for (std::size_t i = 0; i < guests_.size(); ++i) {
      if (polls[1 + i].revents == 0) {
        still.push_back(std::move(guests_[i]));
      } else {
        MUSTER_RETURN_IF_ERROR(Hear(std::move(guests_[i])));
      }
    }
    guests_ = std::move(still);
    if (polls[0].revents != 0) {
      Descriptor guest(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
      if (guest.open()) guests_.push_back(std::move(guest));
    }
    return Ok();
  }

  Status Hear(Descriptor guest) {
    const std::string bytes = Receive(guest).bytes;
    if (bytes.empty()) return Ok();  // gone before it said a word
    const auto pid = PeerOf(guest, options_.job);
    if (!pid.ok()) {
      // Another user's process is nobody here; it may knock.
      return pid.error().kind == ErrorKind::kUnauthorized ? Ok() : pid.error();
    }
    const Status fits = Check(bytes, *pid);
    if (!fits.ok()) {
      const Welcome refusal{.refused = 1};
      const std::string message = std::string(BytesOf(refusal)) + fits.error().message;
      Send(guest, message);
      for (std::size_t rank = 1; rank < connections_.size(); ++rank) {
        if (connections_[rank].open()) Send(connections_[rank], message);
      }
      return fits;
    }
    Hello hello;
    std::memcpy(&hello, bytes.data(), sizeof hello);
    const auto rank = static_cast<std::size_t>(hello.rank);
    ids_[rank] = {.pid = *pid, .start_ticks = hello.process.start_ticks};
    connections_[rank] = std::move(guest);
    --missing_;
    return Ok();
  }

  [[nodiscard]] Status Check(const std::string& bytes, pid_t pid) const {
    Hello hello;
    if (bytes.size() != sizeof hello) {
      return Invalid("pid " + std::to_string(pid) + " does not speak as a rank of job " +
                     options_.job);
    }
    std::memcpy(&hello, bytes.data(), sizeof hello);
    const std::string who = RankName(hello.rank, pid);
    if (hello.version != kVersion) {
      return Invalid(who + " is of another version than rank 0 of job " + options_.job);
    }
    if (hello.ranks != options_.rank.world_size) {
      return Invalid(who + " says that the job has " + std::to_string(hello.ranks) + " ranks, " +
                     RankName(0, ids_[0].pid) + " says " +
                     std::to_string(options_.rank.world_size));
    }
    if (hello.rank < 1 || hello.rank >= hello.ranks) {
      return Invalid(who + " is none of ranks 1 to " + std::to_string(hello.ranks - 1));
    }
    const pid_t other = ids_[static_cast<std::size_t>(hello.rank)].pid;
    if (other != 0) {
      return Invalid("pids " + std::to_string(other) + " and " + std::to_string(pid) +
                     " both say that they are rank " + std::to_string(hello.rank));
    }
    return Ok();
  }

  [[nodiscard]] std::string Missing() const {
    std::string text = "job " + options_.job + ": no word within " +
                       std::to_string(options_.timeout.count() / 1000) + " s from rank";
    for (std::size_t rank = 1; rank < ids_.size(); ++rank) {
      if (ids_[rank].pid == 0) text += " " + std::to_string(rank);
    }
    return text;
  }

  const MeetOptions& options_;
  Clock::time_point deadline_;
  Descriptor listener_;
  std::vector<Descriptor> guests_;       ///< connected, rank not said yet
  std::vector<Descriptor> connections_;  ///< by rank
  std::vector<ProcessId> ids_;           ///< by rank; pid 0: not here yet
  std::size_t missing_ = 0;
};

/// One try of the other ranks' side; nothing when rank 0 is not there, or went away.
Result<std::optional<Meeting>> Visit(const MeetOptions& options, ProcessId self,
                                     Clock::time_point deadline) {
  const Descriptor connection(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
  if (!connection.open()) return IoError("socket", errno);
  socklen_t length = 0;
  const sockaddr_un address = AddressOf(options.job, length);
  if (connect(connection.get(), reinterpret_cast<const sockaddr*>(&address), length) != 0) {
    return std::optional<Meeting>();
  }
  const auto host = PeerOf(connection, options.job);
  if (!host.ok()) return host.error();
  const Hello hello{.ranks = options.rank.world_size, .rank = options.rank.rank, .process = self};
  if (!Send(connection, BytesOf(hello))) return std::optional<Meeting>();
  pollfd answer{.fd = connection.get(), .events = POLLIN};
  while (poll(&answer, 1, MillisecondsTo(deadline)) <= 0) {
    if (Clock::now() < deadline) continue;
    return Unavailable(RankName(0, *host) + " of job " + options.job + " waits for other ranks");
  }
  const Received received = Receive(connection);
  Welcome welcome;
  if (received.bytes.size() < sizeof welcome) return std::optional<Meeting>();
  std::memcpy(&welcome, received.bytes.data(), sizeof welcome);
  const std::string_view rest = std::string_view(received.bytes).substr(sizeof welcome);
  if (welcome.refused != 0) return Invalid(std::string(rest));
  std::vector<ProcessId> ids(static_cast<std::size_t>(options.rank.world_size));
  if (rest.size() != ids.size() * sizeof(ProcessId) || !received.file.open()) {
    return Invalid(RankName(0, *host) + " of job " + options.job + " is of another version");
  }
  std::memcpy(ids.data(), rest.data(), rest.size());
  const SegmentLayout layout{.ranks = static_cast<std::uint32_t>(ids.size()),
                             .slot_bytes = welcome.slot_bytes};
  MUSTER_ASSIGN_OR_RETURN(Segment segment, Segment::Map(received.file, layout));
  MUSTER_ASSIGN_OR_RETURN(auto processes, OpenProcesses(ids));
  return std::optional<Meeting>(Meeting{.rank = static_cast<std::uint32_t>(options.rank.rank),
                                        .segment = std::move(segment),
                                        .processes = std::move(processes)});
}

}  // namespace

Result<Meeting> Meet(const MeetOptions& options) {
  const auto [rank, ranks] = options.rank;
  if (ranks < 1 || ranks > kRanksMax || rank < 0 || rank >= ranks) {
    return Invalid("rank " + std::to_string(rank) + " of " + std::to_string(ranks) +
                   ": wanted one of at most " + std::to_string(kRanksMax));
  }
  MUSTER_ASSIGN_OR_RETURN(const ProcessId self, ThisProcess());
  if (rank == 0) return Host(options, self).Run();
  const auto deadline = Clock::now() + options.timeout;
  while (Clock::now() < deadline) {
    MUSTER_ASSIGN_OR_RETURN(auto meeting, Visit(options, self, deadline));
    if (meeting) return std::move(*meeting);
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return Unavailable("job " + options.job + ": rank " + std::to_string(rank) +
                     " found no rank 0 on this machine within " +
                     std::to_string(options.timeout.count() / 1000) + " s");
}

}  // namespace muster::trainer::shm
