#pragma once

#include <poll.h>

#include <boost/describe/class.hpp>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "runtime/base/clock.h"
#include "runtime/base/result.h"

/// How mpirun on the first node of a gang starts its daemon (orted) on another one without ssh or a key that lies
/// about. There the shim listens on the port that Prepared named; `muster remote-start` (remote_start.cc), which
/// mpirun takes for ssh, connects from the first node:
///   1. shim: `muster-start 1 <nonce>` and a newline; 32 hexadecimal digits of the system's entropy.
///   2. client: one line, {"proof", "command"}. The proof is HMAC-SHA256 over nonce and command with the
///      attempt's start_secret (wire::Prepare), in hexadecimal.
///   3. shim: runs the command once it was told to start itself, and never another one. One line when it has ended,
///      or why it was not run: {"code", "error"}.
/// The command is not encrypted; it holds no secret. Who changes it on its way, or says it again, fails the proof.

namespace muster::cluster::local {

struct StartRequest {
  std::string proof;
  std::string command;
};
BOOST_DESCRIBE_STRUCT(StartRequest, (), (proof, command))

struct StartAnswer {
  int code = 0;       ///< of the command: exit code, or 128 + signal
  std::string error;  ///< why it was not run; empty: it was
};
BOOST_DESCRIBE_STRUCT(StartAnswer, (), (code, error))

inline constexpr std::string_view kStartGreeting = "muster-start 1 ";

/// What `StartRequest::proof` has to be.
std::string ProofOf(const std::string& secret, const std::string& nonce,
                    const std::string& command);

/// The shim's end. One thread; driven by poll.
class StartServer {
 public:
  static constexpr std::size_t kLineBytesMax = 256 * 1024;
  static constexpr std::size_t kConnectionsMax =
      16;  ///< a further one takes the oldest one's place
  static constexpr auto kRequestMost = std::chrono::seconds(10);  ///< for a request to come

  StartServer() = default;
  ~StartServer();
  StartServer(const StartServer&) = delete;
  StartServer& operator=(const StartServer&) = delete;

  /// Listens on `fd`, which is bound, non-blocking and the caller's.
  Status Listen(int fd, std::string secret);

  /// Adds what is to be polled.
  void AddTo(std::vector<pollfd>& items) const;
  /// Accepts, reads and refuses as far as it goes without waiting.
  void Serve(MonotonicTime now);
  /// The command that was proved; once.
  std::optional<std::string> Take();
  /// To whoever proved it.
  void Answer(const StartAnswer& answer);
  /// Whoever proved it went away without an answer. Once.
  bool TakeAskerLost() { return std::exchange(asker_lost_, false); }

 private:
  struct Connection {
    std::string nonce;
    std::string in;
    MonotonicTime until;
  };
  void Accept(MonotonicTime now);
  bool Read(int fd, Connection& connection);
  bool Judge(int fd, const Connection& connection);
  void SeeIfAskerLives();

  int listener_ = -1;
  std::string secret_;
  std::map<int, Connection> connections_;  ///< that have proved nothing
  std::optional<std::string> command_;
  bool proved_ = false;
  int asker_ = -1;
  bool asker_lost_ = false;
};

}  // namespace muster::cluster::local
