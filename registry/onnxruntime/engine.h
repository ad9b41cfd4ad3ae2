#pragma once

#include <filesystem>
#include <memory>

#include "registry/inference_engine.h"

namespace muster::registry {

/// Inference by ONNX Runtime's CPU provider, through its C API. `library`: the file of libonnxruntime, which is loaded
/// here and stays loaded. kIo names the file and the loader's reason; kUnsupported when it is older than the header that
/// muster was built with.
Result<std::unique_ptr<InferenceEngine>> MakeOnnxRuntimeEngine(
    const std::filesystem::path& library);

}  // namespace muster::registry
