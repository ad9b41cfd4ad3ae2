#pragma once

#include <filesystem>
#include <string>

#include "cluster/doctor.h"
#include "runtime/base/result.h"

/// What `muster probe` does in the folder that should be the server's checkpoint folder on every node: in
/// <folder>/.doctor-<id>, which all probes of one `muster doctor` share.

namespace muster::cluster::local {

class ProbeFolder {
 public:
  /// `id` is letters, digits and '-'. Deletes what doctors of more than a day ago have left.
  ProbeFolder(std::filesystem::path folder, const std::string& id);

  /// The node's side alone, and leaves a token of the node's there.
  [[nodiscard]] FolderFacts Look(const std::string& node) const;
  /// The token of that node is there.
  [[nodiscard]] bool Sees(const std::string& node) const;
  /// Deletes the node's token, and the folder with the last of them.
  void Leave(const std::string& node) const;

  [[nodiscard]] std::filesystem::path file(const std::string& name) const { return own_ / name; }
  /// A new file that is on the disk when this returns.
  [[nodiscard]] Status Create(const std::string& name, const std::string& text) const;
  /// Renames a new file onto it.
  [[nodiscard]] Status Replace(const std::string& name, const std::string& text) const;
  /// O_EXCL: did this call make the file?
  [[nodiscard]] Result<bool> CreateAlone(const std::string& name) const;
  void Remove(const std::string& name) const;

 private:
  std::filesystem::path folder_, own_;
};

}  // namespace muster::cluster::local
