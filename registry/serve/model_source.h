#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "runtime/base/result.h"

/// Where served models come from.

namespace muster::registry::serve {

/// One version of a model, whole on this machine's disk.
struct ModelLocation {
  std::string name;
  std::int64_t version = 1;
  std::filesystem::path directory;  ///< holds model.onnx
  friend bool operator==(const ModelLocation&, const ModelLocation&) = default;
};

/// The port: which version is to be served now. Implementations: DirectorySource; the command line's,
/// which asks the registry for an alias and fetches the version's files.
class ModelSource {
 public:
  virtual ~ModelSource() = default;
  /// Called from one thread, every half second or so; may block, to fetch a new version's files. The
  /// directory stays as it is while it is served. An error leaves what is served alone.
  virtual Result<ModelLocation> Current() = 0;
};

/// A directory: DIR/model.onnx, or Triton's layout, DIR/<N>/model.onnx, of which the highest N is current, or either in
/// DIR's only folder, for some platforms mount a model with the folder around it. A new version must appear whole, by
/// rename.
class DirectorySource final : public ModelSource {
 public:
  /// `name` empty: the name of the directory that holds the model, or its parent's where that is a number.
  explicit DirectorySource(std::filesystem::path directory, std::string name = {});
  /// kNotFound names the directory and what it should hold; kIo when it cannot be listed.
  Result<ModelLocation> Current() override;

 private:
  [[nodiscard]] Result<ModelLocation> In(const std::filesystem::path& directory,
                                         bool may_be_around) const;

  std::filesystem::path directory_;
  std::string name_;
};

}  // namespace muster::registry::serve
