#pragma once

#include <yaml-cpp/yaml.h>

#include <cstdint>
#include <filesystem>
#include <string>

#include "runtime/base/result.h"

namespace muster::tracker {

/// A meta.yaml of MLflow's file store: one map of scalars, with maps of scalars inside. After a field that is of
/// the wrong kind was asked for, status() tells it.
class YamlFile {
 public:
  /// kNotFound, kCorrupt.
  static Result<YamlFile> Read(const std::filesystem::path& file);

  /// "" when it is absent or null.
  std::string Text(const char* name);
  std::int64_t Int(const char* name);  ///< 0 when it is absent or null
  [[nodiscard]] bool Has(const char* name) const;
  /// The entries of an inner map; none when it is absent, or a list (old files have `tags: []`).
  std::vector<std::pair<std::string, std::string>> Map(const char* name);
  [[nodiscard]] Status status() const { return status_; }

 private:
  YamlFile(std::filesystem::path file, const YAML::Node& root)
      : file_(std::move(file)), root_(root) {}
  void Fail(const char* name, const char* wanted);

  std::filesystem::path file_;
  YAML::Node root_;
  Status status_;
};

}  // namespace muster::tracker
