#include "registry/serve/any_body.h"
#include "registry/serve/open_inference.h"
#include "registry/serve/routes.h"

namespace muster::registry::serve {

namespace {

/// {"instances": ...} is answered row by row; other bodies, which rawPredict passes on, as they are elsewhere.
constexpr Protocol kVertex{FindOnlyModel, DecodeRowsOrAnyBody, OpenInferenceError};

}  // namespace

void AddVertexRoutes(Routes& routes, const Container& container) {
  routes.Add("GET", container.health_route, Healthy);
  routes.AddPrediction(container.predict_route, kVertex);
}

}  // namespace muster::registry::serve
