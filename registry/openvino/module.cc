// muster-openvino.so
#include "registry/openvino/module.h"

#include "registry/openvino/engine.h"

extern "C" {
extern const muster::registry::OpenVinoModule muster_openvino;
const muster::registry::OpenVinoModule muster_openvino{
    .version = MUSTER_VERSION,
    .make_engine = [] { return muster::registry::MakeOpenVinoEngine().release(); },
    .folder = muster::registry::OpenVinoFolder,
};
}
