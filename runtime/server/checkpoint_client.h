#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>

#include "cluster/local/file_set.h"
#include "runtime/base/ids.h"
#include "runtime/base/result.h"
#include "runtime/http/client.h"

/// A node's end of checkpoint_routes.h.

namespace muster::server {

class CheckpointClient {
 public:
  struct Options {
    std::string url;    ///< of a server that carries the routes
    std::string token;  ///< of a live attempt
    TrialId trial;      ///< of that attempt
    /// A server that is away, or says nothing for so long, is given up.
    std::chrono::milliseconds patience{60'000};
  };
  explicit CheckpointClient(Options options);

  /// What moved so far, of all that has to; for people.
  using Progress = std::function<void(std::int64_t bytes, std::int64_t of)>;

  /// Makes `folder` what the server has of the trial or, where that is nothing and `start` is not empty, of the folder
  /// `start` below the root of all checkpoints; made when missing. Files are kept in `arriving` under their SHA-256, on
  /// the same file system, and parts of one as `<sha256>.part`: Pull again goes on where a kill, or an error, ended it.
  /// Whole when it returns, as BecomeFileSet says. kFenced, kUnauthorized, kUnavailable, kCorrupt, kResource, kIo.
  Status Pull(const std::filesystem::path& folder, const std::filesystem::path& arriving,
              const std::string& start, const Progress& progress);

  /// Makes the server's folder of the trial what `folder` is; what it has is not sent. In one step: until then, and after
  /// any error, it has what it had. `keep`: and a copy for clones of that step; answers whether there is one. Nothing
  /// writes to the folder meanwhile; where something does all the same it is read again, at most kPushTriesMost times.
  Result<bool> Push(const std::filesystem::path& folder, std::optional<std::int64_t> keep,
                    const Progress& progress);
  static constexpr int kPushTriesMost = 5;

 private:
  Result<cluster::local::FileSet> ListOf(const std::string& folder);
  Result<boost::json::value> Ask(std::string_view method, const std::string& path,
                                 const std::optional<boost::json::value>& body = std::nullopt);
  /// Repeats what ends with kUnavailable, within the patience.
  template <typename Try>
  auto Patiently(Try attempt) -> decltype(attempt());
  Status Fetch(const std::string& from, const cluster::local::FileEntry& file,
               const std::filesystem::path& arriving,
               const std::function<void(std::int64_t)>& moved);
  Status Send(const std::filesystem::path& folder, const cluster::local::FileEntry& file);
  Result<bool> PushOnce(const std::filesystem::path& folder, std::optional<std::int64_t> keep,
                        const Progress& progress);

  Options options_;
  http::Client client_;
};

}  // namespace muster::server
