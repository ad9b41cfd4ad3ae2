#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tracker/artifact_store.h"

/// The suite that every artifact store passes. An adapter's test instantiates it with what opens a fresh store;
/// `folder` is empty and the store's own.

namespace muster::tracker {

struct ArtifactStoreMaker {
  std::function<std::unique_ptr<ArtifactStore>(const std::filesystem::path& folder)> make;
};

class ArtifactStoreContract : public testing::TestWithParam<ArtifactStoreMaker> {
 protected:
  ArtifactStoreContract();
  ~ArtifactStoreContract() override;

  /// The names in a folder, those of folders with a '/'.
  std::vector<std::string> List(std::string_view folder);
  /// The content of an artifact, or the error's message.
  std::string Content(std::string_view path);

  std::filesystem::path folder_;
  std::unique_ptr<ArtifactStore> store_;
};

/// A file, whole.
std::string ReadAll(const std::filesystem::path& path);

}  // namespace muster::tracker
