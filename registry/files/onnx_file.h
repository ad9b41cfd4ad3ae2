#pragma once

#include <filesystem>

#include "registry/onnx/reader.h"
#include "registry/onnx/writer.h"

/// ONNX models in files, large ones as a pair: NAME, and NAME.data with the weights (onnx.proto's
/// external data). Engines and onnx's own checker find the second by the name in the first.

namespace muster::registry {

struct OnnxFileOptions {
  /// Weights of more than this go to a file of their own. No single file may reach 2 GiB.
  std::size_t inline_bytes_max = onnx::kMaxModelBytes / 2;
  std::size_t external_bytes_min = 1024;  ///< a smaller weight stays inside all the same
};

/// Writes the weights from where they are, without a second copy. What is there after a crash:
///   1. Both files are written beside their places and flushed.
///   2. The old model's file is removed if it has a weight file, which it must not meet anew.
///   3. The weights are renamed, then the model: a model that is there is whole.
/// kResource when the disk is full, else kIo; kUnsupported where what is not weights reaches 2 GiB.
Status WriteOnnxFile(const onnx::Model& model, const std::filesystem::path& path,
                     const OnnxFileOptions& options = {});

/// Reads a model with its weights. Errors of onnx::Read and of files; a weight file that is a link
/// or no plain file is kCorrupt.
Result<onnx::Model> ReadOnnxFile(const std::filesystem::path& path);

}  // namespace muster::registry
