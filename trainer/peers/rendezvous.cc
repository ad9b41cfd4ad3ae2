#include "trainer/peers/rendezvous.h"

#include <sys/random.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <set>
#include <sstream>

namespace muster::trainer::peers {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr milliseconds kFirstWords{2000};

/// What each rank says of itself.
struct Introduction {
  Peer peer;
  std::string loopback;
};

std::string Secret() {
  std::array<unsigned char, 16> bytes{};
  if (::getrandom(bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size())) return "";
  std::string text;
  for (const unsigned char byte : bytes) {
    constexpr const char* kDigits = "0123456789abcdef";
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  return text;
}

std::string Hello(const std::string& secret, std::int64_t rank) {
  return "hello " + secret + " " + std::to_string(rank);
}

milliseconds Until(steady_clock::time_point deadline) {
  return std::max(milliseconds(0),
                  std::chrono::duration_cast<milliseconds>(deadline - steady_clock::now()));
}

Result<std::vector<std::string>> Exchange(const WatchOptions& options, const std::string& mine) {
  try {
    auto all = options.all_gather(mine);
    if (all.size() == static_cast<std::size_t>(options.rank.world_size)) return all;
    return Internal("the gang has " + std::to_string(all.size()) + " ranks, wanted " +
                    std::to_string(options.rank.world_size));
  } catch (const std::exception& error) {
    return Unavailable(std::string("the ranks do not hear of each other: ") + error.what());
  }
}

Result<std::vector<Introduction>> Introduce(const WatchOptions& options) {
  std::ostringstream mine;
  mine << HostName() << ' ' << ::getpid() << ' ' << LoopbackId();
  MUSTER_ASSIGN_OR_RETURN(const auto texts, Exchange(options, mine.str()));
  std::vector<Introduction> all;
  for (const std::string& text : texts) {
    Introduction one{.peer = {.rank = static_cast<std::int64_t>(all.size()), .host = {}},
                     .loopback = {}};
    std::istringstream words(text);
    words >> one.peer.host >> one.peer.pid >> one.loopback;
    all.push_back(std::move(one));
  }
  return all;
}

/// Rank 0: waits until all others have come.
Status Receive(const WatchOptions& options, const Listener& listener, const std::string& secret,
               Meeting& meeting) {
  const auto deadline = steady_clock::now() + options.connect_timeout;
  std::set<std::int64_t> missing;
  for (std::int64_t rank = 1; rank < options.rank.world_size; ++rank) missing.insert(rank);
  while (!missing.empty()) {
    Socket socket = Accept(listener, Until(deadline));
    if (!socket.open()) {
      if (Until(deadline) > milliseconds(0)) continue;
      std::string names;
      for (const std::int64_t rank : missing) {
        names +=
            (names.empty() ? "" : ", ") + NameOf(meeting.peers[static_cast<std::size_t>(rank)]);
      }
      return Unavailable("no connection to rank 0 came from " + names);
    }
    const std::string hello = ReceiveLine(socket, std::min(kFirstWords, Until(deadline)));
    const auto found = std::ranges::find_if(
        missing, [&](std::int64_t rank) { return hello == Hello(secret, rank); });
    if (found == missing.end() || !SendAll(socket, "welcome\n")) continue;
    meeting.links.emplace_back(*found, std::move(socket));
    missing.erase(found);
  }
  return Ok();
}

/// Another rank: tries rank 0's addresses until one answers.
Result<Socket> Reach(const WatchOptions& options, const Peer& first,
                     const std::string& invitation) {
  const auto deadline = steady_clock::now() + options.connect_timeout;
  std::istringstream words(invitation);
  std::string secret;
  int port = 0;
  words >> port >> secret;
  std::vector<std::string> addresses;
  for (std::string address; words >> address;) addresses.push_back(address);
  std::string seen = "it has no address";
  while (!addresses.empty() && Until(deadline) > milliseconds(0)) {
    for (const std::string& address : addresses) {
      auto socket = Connect(address, port, std::min(kFirstWords, Until(deadline)));
      if (!socket.ok()) {
        seen = socket.error().message;
      } else if (SendAll(*socket, Hello(secret, options.rank.rank) + "\n") &&
                 ReceiveLine(*socket, std::max(kFirstWords, Until(deadline) / 4)) == "welcome") {
        return socket;
      } else {
        seen = address + " is somebody else";
      }
    }
    ::usleep(100'000);
  }
  return Unavailable("no connection to " + NameOf(first) + ": " + seen);
}

}  // namespace

Result<Meeting> Meet(const WatchOptions& options) {
  Meeting meeting;
  MUSTER_ASSIGN_OR_RETURN(const auto all, Introduce(options));
  for (const Introduction& one : all) meeting.peers.push_back(one.peer);
  const bool loopback = std::ranges::all_of(
      all, [&](const Introduction& one) { return one.loopback == all[0].loopback; });
  Result<Listener> listener = Unavailable("");
  std::string invitation;  // empty: rank 0 cannot listen
  const std::string secret = Secret();
  if (options.rank.rank == 0) {
    listener = secret.empty() ? IoError("making a secret", errno) : Listen(loopback);
    if (listener.ok()) {
      invitation = std::to_string(listener->port) + " " + secret;
      if (loopback) {
        invitation += " 127.0.0.1";
      } else {
        if (!options.address.empty()) invitation += " " + options.address;
        for (const std::string& address : OwnAddresses()) invitation += " " + address;
      }
    }
  }
  MUSTER_ASSIGN_OR_RETURN(const auto invitations, Exchange(options, invitation));
  if (options.rank.rank == 0) {
    if (!listener.ok()) return listener.error();
    MUSTER_RETURN_IF_ERROR(Receive(options, *listener, secret, meeting));
    return meeting;
  }
  if (invitations[0].empty()) return Unavailable(NameOf(meeting.peers[0]) + " cannot listen");
  MUSTER_ASSIGN_OR_RETURN(Socket socket, Reach(options, meeting.peers[0], invitations[0]));
  meeting.links.emplace_back(0, std::move(socket));
  return meeting;
}

}  // namespace muster::trainer::peers
