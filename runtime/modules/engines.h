#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "registry/inference_engine.h"

namespace muster::modules {

/// OpenVINO's engine (registry/openvino/engine.h) of the module in `folder`, which is loaded by the first Load.
/// That answers an error of the module (module.h), and the next one looks for it again.
std::unique_ptr<registry::InferenceEngine> MakeOpenVinoEngine(std::filesystem::path folder);
/// ONNX Runtime's (registry/onnxruntime/engine.h), in the same way. An empty `library` is the one that muster was
/// configured with.
std::unique_ptr<registry::InferenceEngine> MakeOnnxRuntimeEngine(std::filesystem::path folder,
                                                                 std::string library = {});

/// Where OpenVINO's own libraries lie, of the module in `folder`.
Result<std::filesystem::path> OpenVinoFolder(const std::filesystem::path& folder);

}  // namespace muster::modules
