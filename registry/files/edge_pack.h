#pragma once

#include <cstdint>
#include <filesystem>
#include <string_view>

#include "registry/files/export_form.h"
#include "registry/files/model_key.h"
#include "registry/package/edge_manifest.h"

/// A version as one directory that a device runs without muster, Python or a network:
///
///   OUT/model.onnx, model.onnx.data    the version's
///   OUT/manifest.json                  edge_manifest.h
///   OUT/lib/                           what OpenVINO needs to compute an ONNX model on a CPU, and nothing else: its
///                                      core, C interface, CPU plugin and ONNX frontend, TBB and TBB's allocator.
///                                      They find each other by $ORIGIN
///   OUT/include/openvino/c/            the C interface
///   OUT/predict.cpp, CMakeLists.txt    an example: rows from standard input
///   OUT/licenses/                      OpenVINO's, where the wheel has them
///   OUT/model-signing.pub              the key, for convenience: verify with a copy that came another way
///   OUT/model.sig                      over all of the above (registry/package/model_signature.h)

namespace muster::registry {

struct EdgePack {
  ExportedVersion version;
  EdgeManifest manifest;                ///< without files and activation_group
  std::filesystem::path engine_folder;  ///< OpenVinoFolder
};

struct EdgePacked {
  std::int64_t bytes = 0, runtime_bytes = 0;  ///< of all files; of lib/
};

/// Writes it beside `out` and renames: there is all of it or nothing. kAlreadyExists when `out` is there and no empty
/// folder; kNotFound names the library or header that OpenVINO's folder lacks; kIo.
Result<EdgePacked> PackForEdge(const EdgePack& pack, const ModelKey& key,
                               const std::filesystem::path& out);

/// edge/predict.cpp, where @ACTIVATION_GROUP@ stands for the number, and its CMakeLists.txt.
extern const std::string_view kEdgeExample, kEdgeCMake;

}  // namespace muster::registry
