#pragma once

#include <string>
#include <vector>

#include "registry/package/package.h"

/// MLflow's files of a model (its onnx flavor, also as a python_function).
/// https://mlflow.org/docs/latest/ml/model/ ; read back by MLflow 3.18.

namespace muster::registry {

/// The MLmodel file (YAML), with the signature: without one, MLflow's server refuses plain JSON numbers.
std::string MlmodelText(const PackageSpec& spec);
/// MLmodel, requirements.txt, conda.yaml and python_env.yaml.
std::vector<PackageFile> MlflowFiles(const PackageSpec& spec);

}  // namespace muster::registry
