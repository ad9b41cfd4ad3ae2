#pragma once

#include <boost/json/object.hpp>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "registry/evaluation.h"
#include "registry/model_store.h"

/// The directory that MLflow and Triton both read. Pure: it says what the files hold; registry/files puts
/// them on a disk.
///
///   <root>/<model>/config.pbtxt                    Triton's
///   <root>/<model>/<N>/model.onnx
///   <root>/<model>/<N>/MLmodel, requirements.txt, conda.yaml, python_env.yaml       MLflow's onnx flavor
///   <root>/<model>/<N>/card.json                   lineage and gates, in words below

namespace muster::registry {

/// Where a version came from; all of it ends in card.json.
struct Lineage {
  std::string sweep, trial, run_id, checkpoint;
  boost::json::object params;
  std::map<std::string, std::string> data;          ///< role -> path
  std::map<std::string, std::string> data_digests;  ///< role -> digest
  std::map<std::string, double> metrics;            ///< as the trial saw them
};

struct PackageSpec {
  std::string model;
  std::string model_uuid;  ///< 32 hex digits
  std::int64_t created_ms = 0;
  ExportInfo info;
  Lineage lineage;
  std::vector<GateVerdict> verdicts;
  std::filesystem::path onnx_file;
  std::string engine;  ///< the inference engine that the gates ran on
};

/// A file of the version's directory: `bytes`, or a copy of `copy_from` when that is set.
struct PackageFile {
  std::string path;
  std::string bytes;
  std::filesystem::path copy_from;
};

std::vector<PackageFile> BuildPackage(const PackageSpec& spec);
/// MLflow's MLmodel file (YAML).
std::string MlmodelText(const PackageSpec& spec);
/// Triton's config.pbtxt: every version is served, and the first dimension is a batch when it is dynamic.
std::string TritonConfigText(std::string_view model, const ExportInfo& info);
std::string CardText(const PackageSpec& spec);

}  // namespace muster::registry
