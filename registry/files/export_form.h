#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include "runtime/base/result.h"

/// A version's files in the form that another platform takes.
///
///   dir         OUT/...                                 as published
///   mlflow      OUT/...                                 the same: it is an MLflow model
///   azureml     OUT/...                                 the same: Azure ML deploys an MLflow model without code
///   triton      OUT/<name>/config.pbtxt, OUT/<name>/<version>/...       a model repository
///   vertex      the same as triton: Vertex AI runs Triton's image on a model repository
///   sagemaker   OUT where it ends in .tar.gz, else OUT/model.tar.gz: the files at the archive's root, from where
///               SageMaker puts them into /opt/ml/model

namespace muster::registry {

enum class ExportForm { kDir, kMlflow, kAzureml, kTriton, kVertex, kSagemaker };
/// kInvalid lists the forms.
Result<ExportForm> ExportFormFromName(std::string_view name);

struct ExportedVersion {
  std::filesystem::path directory;  ///< as published
  std::string name;
  std::int64_t version = 0;
};

/// Writes `version` to `out`, which must not be there or be an empty folder (for sagemaker: any folder, or an archive
/// to replace). Answers how it is deployed, in a sentence. kAlreadyExists; kInvalid when the form wants a file
/// that the version lacks (it is no package of muster's); PackTarGz's.
Result<std::string> ExportVersion(ExportForm form, const ExportedVersion& version,
                                  const std::filesystem::path& out);

}  // namespace muster::registry
