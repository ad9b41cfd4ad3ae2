// muster-onnxruntime.so
#include "registry/onnxruntime/module.h"

#include "registry/onnxruntime/engine.h"

extern "C" {
extern const muster::registry::OnnxRuntimeModule muster_onnxruntime;
const muster::registry::OnnxRuntimeModule muster_onnxruntime{
    .version = MUSTER_VERSION,
    .make_engine = [](const char* library) -> muster::Result<muster::registry::InferenceEngine*> {
      auto engine = muster::registry::MakeOnnxRuntimeEngine(
          library == nullptr ? MUSTER_ONNXRUNTIME_LIBRARY : library);
      if (!engine.ok()) return engine.error();
      return engine->release();
    },
};
}
