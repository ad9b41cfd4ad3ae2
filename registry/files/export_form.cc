#include "registry/files/export_form.h"

#include <algorithm>
#include <array>

#include "registry/files/tar_gz.h"

namespace muster::registry {
namespace {

namespace fs = std::filesystem;

struct Form {
  std::string_view name;
  ExportForm form;
  std::string_view needs;  ///< a file that it is nothing without
  std::string_view how;    ///< OUT, NAME: put in when printed
};
constexpr std::array kForms = {
    Form{"dir", ExportForm::kDir, "model.onnx", "muster serve --model OUT serves it."},
    Form{"mlflow", ExportForm::kMlflow, "MLmodel",
         "mlflow models serve -m OUT serves it; mlflow.pyfunc.load_model(\"OUT\") loads it."},
    Form{
        "azureml", ExportForm::kAzureml, "MLmodel",
        "az ml model create --name NAME --type mlflow_model --path OUT registers it; an endpoint's "
        "deployment of that model needs neither a scoring script nor an environment."},
    Form{"triton", ExportForm::kTriton, "config.pbtxt",
         "tritonserver --model-repository OUT serves it, with the onnxruntime backend."},
    Form{"vertex", ExportForm::kVertex, "config.pbtxt",
         "gcloud storage cp -r OUT gs://BUCKET/PATH, then gcloud ai models upload "
         "--display-name NAME --artifact-uri gs://BUCKET/PATH --container-image-uri IMAGE, where "
         "IMAGE is Triton's in your Artifact Registry."},
    Form{"sagemaker", ExportForm::kSagemaker, "MLmodel",
         "aws s3 cp OUT s3://BUCKET/PATH/, and give that as ModelDataUrl to CreateModel, with an "
         "image that serves /opt/ml/model: muster's (muster serve --model /opt/ml/model --host "
         "0.0.0.0 --port 8080) or the one of mlflow sagemaker build-and-push-container."},
};

std::string Filled(std::string text, std::string_view mark, const std::string& with) {
  for (auto at = text.find(mark); at != std::string::npos; at = text.find(mark, at + with.size())) {
    text.replace(at, mark.size(), with);
  }
  return text;
}

Status CopyInto(const fs::path& from, const fs::path& to) {
  std::error_code code;
  fs::create_directories(to, code);
  if (!code) fs::copy(from, to, fs::copy_options::recursive, code);
  if (code) return IoError("copy " + from.string() + " to " + to.string(), code.value());
  return Ok();
}

Status CopyRepository(const ExportedVersion& version, const fs::path& out) {
  const fs::path model = out / version.name;
  MUSTER_RETURN_IF_ERROR(CopyInto(version.directory, model / std::to_string(version.version)));
  std::error_code code;
  fs::copy_file(version.directory / "config.pbtxt", model / "config.pbtxt", code);
  if (code) return IoError("copy config.pbtxt to " + model.string(), code.value());
  return Ok();
}

}  // namespace

Result<ExportForm> ExportFormFromName(std::string_view name) {
  std::string known;
  for (const Form& form : kForms) {
    if (form.name == name) return form.form;
    known += (known.empty() ? "" : ", ") + std::string(form.name);
  }
  return Invalid("there is no export for '" + std::string(name) + "'; wanted one of " + known);
}

Result<std::string> ExportVersion(ExportForm form, const ExportedVersion& version,
                                  const fs::path& out) {
  const Form& row = *std::ranges::find(kForms, form, &Form::form);
  std::error_code code;
  if (!fs::is_regular_file(version.directory / row.needs, code)) {
    return Invalid(version.name + " version " + std::to_string(version.version) + " has no " +
                   std::string(row.needs) + ", which an export for " + std::string(row.name) +
                   " wants: muster did not pack it");
  }
  fs::path target = out;
  if (form == ExportForm::kSagemaker) {
    if (!out.string().ends_with(".tar.gz")) {
      target = out / "model.tar.gz";
      fs::create_directories(out, code);
      if (code) return IoError("make " + out.string(), code.value());
    }
    MUSTER_RETURN_IF_ERROR(PackTarGz(version.directory, target));
  } else {
    if (fs::exists(out, code) && !fs::is_empty(out, code)) {
      return AlreadyExists(out.string() + " is there and not an empty folder");
    }
    const bool repository = form == ExportForm::kTriton || form == ExportForm::kVertex;
    MUSTER_RETURN_IF_ERROR(repository ? CopyRepository(version, out)
                                      : CopyInto(version.directory, out));
  }
  return Filled(Filled(std::string(row.how), "NAME", version.name), "OUT", target.string());
}

}  // namespace muster::registry
