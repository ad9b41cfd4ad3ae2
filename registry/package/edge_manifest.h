#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "registry/inference_engine.h"

/// manifest.json of a version packed for the edge. Pure; registry/files/edge_pack.h writes the directory.
///
///   {"format": 1, "model": "digits", "version": 3, "form": "full", "task": "image-classification",
///    "inputs": [{"name", "type", "shape"}], "outputs": [...],
///    "engine": {"name": "OpenVINO 2026.4.1", "options": {"INFERENCE_PRECISION_HINT": "f32", ...}},
///    "files": [{"path", "bytes", "sha256"}]}
///
/// Types as ElementTypeName, -1 of a shape is any. `files` is every other file but model.sig, in the order of their
/// paths.

namespace muster::registry {

struct EdgeFile {
  std::string path;  ///< below the directory, '/' between folders
  std::int64_t bytes = 0;
  std::string sha256;  ///< hex
};

struct EdgeManifest {
  std::string model;
  std::int64_t version = 0;
  std::string form = "full";  ///< of a compressed version its form: "static", "engine-dynamic", ...
  std::string task;           ///< as ml-bom.json has it; empty: nobody says
  std::string engine;
  std::string activation_group = "0";  ///< kActivationGroupKey of the model
  std::vector<TensorSpec> inputs, outputs;
  std::vector<EdgeFile> files;
};

std::string ToJson(const EdgeManifest& manifest);

/// The task that the text of an ml-bom.json names, in the Hugging Face Hub's words; empty: none.
std::string TaskOfMlBom(const std::string& text);

}  // namespace muster::registry
