#pragma once

#include <poll.h>

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "cluster/local/checkpoint_copies.h"
#include "cluster/local/checkpoint_push.h"
#include "runtime/base/result.h"

/// The shim's end of MUSTER_CONTROL (runtime/wire/trial_record.h): takes lines from ranks, appends them to
/// the record spool, acknowledges, and passes commands down. One thread; driven by poll.

namespace muster::cluster::local {

class RecordServer {
 public:
  /// A line beyond this ends its connection; a rank that does not read its acks is cut off as well.
  static constexpr std::size_t kLineBytesMax = 64 * 1024;
  static constexpr int kConnectionsMax = 1024;

  RecordServer() = default;
  ~RecordServer();
  RecordServer(const RecordServer&) = delete;
  RecordServer& operator=(const RecordServer&) = delete;

  /// The spool comes to be with its first line.
  Status Listen(const std::filesystem::path& socket, const std::filesystem::path& spool);
  /// A checkpoint's record goes to the spool when `keeper` has seen to its copy; meanwhile nobody is served.
  void Keep(CheckpointKeeper keeper);
  /// ... or when `push` has brought it to the server; meanwhile its connection is not served.
  void Push(CheckpointPush push);

  /// Adds what is to be polled.
  void AddTo(std::vector<pollfd>& items) const;
  /// Accepts, reads, appends, acknowledges as far as it goes without waiting.
  void Serve();
  /// {"command": "<command>"} to every connection.
  void Command(const std::string& command);
  /// True while a full disk or a push holds lines back; call Serve again some time later.
  [[nodiscard]] bool stalled() const { return stalled_; }
  /// False while what the folder has beyond its records is on its way; ask again after the next Serve.
  bool BroughtAll();
  /// A line waits for a push.
  [[nodiscard]] bool pushing() const { return push_ && stalled_; }
  /// The program that brings a checkpoint to the server; pid 0: none runs.
  [[nodiscard]] ProcessId pusher() const { return push_ ? push_->process() : ProcessId(); }

 private:
  struct Connection {
    std::string in;          ///< not yet in the spool
    std::string out;         ///< not yet sent
    std::int64_t acked = 0;  ///< records of this connection in the spool
    bool held = false;       ///< its first line waits for the disk or a push
    bool pushed = false;     ///< what its first line needs was brought to the server
  };
  void Accept();
  bool Read(int fd, Connection& connection);
  bool AppendLines(Connection& connection);
  bool Flush(int fd, Connection& connection);
  [[nodiscard]] std::string Marked(std::string_view lines);
  std::size_t Ready(Connection& connection);
  Status Append(std::string_view lines);

  int listener_ = -1;
  std::filesystem::path spool_file_;
  std::optional<CheckpointKeeper> keeper_;  ///< where copies are wanted
  std::optional<CheckpointPush> push_;      ///< where the node does not share the folder
  Connection* pushing_for_ = nullptr;       ///< whose first line the push is for
  int spool_ = -1;                          ///< once there is something to write
  bool stalled_ = false;
  std::map<int, Connection> connections_;
};

/// A listening, non-blocking unix socket at `path`, which it replaces.
Result<int> ListenUnix(const std::filesystem::path& path);
/// Connects, sends `text` and closes; kUnavailable when nobody listens or it would block.
Status SendUnix(const std::filesystem::path& path, std::string_view text);

}  // namespace muster::cluster::local
