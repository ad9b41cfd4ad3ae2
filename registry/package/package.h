#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "registry/evaluation.h"
#include "registry/lineage.h"
#include "registry/model_store.h"

/// The directory that every consumer reads. Pure: it says what the files hold; registry/files puts them on a
/// disk and signs them.
///
///   <root>/<model>/config.pbtxt                    Triton's, of the newest version
///   <root>/<model>/<N>/model.onnx                  above 2 GiB with model.onnx.data
///   <root>/<model>/<N>/config.pbtxt                Triton's, of this version: what an export takes along
///   <root>/<model>/<N>/MLmodel, requirements.txt, conda.yaml, python_env.yaml       MLflow's onnx flavor
///   <root>/<model>/<N>/card.json                   lineage and gates
///   <root>/<model>/<N>/code.diff                   what stood uncommitted beside the sweep file (git apply reads it)
///   <root>/<model>/<N>/README.md                   the model card (model_card.h)
///   <root>/<model>/<N>/ml-bom.json                 CycloneDX (ml_bom.h)
///   <root>/<model>/<N>/provenance.json             SLSA (provenance.h)
///   <root>/<model>/<N>/baseline.json               what drift is measured against (baselines.h)
///   <root>/<model>/<N>/model.sig                   OpenSSF model signing, over all of the above (model_signature.h)

namespace muster::registry {

/// What a package is made of. The rows and their logits must be there and live as long as it.
struct PackageSpec {
  std::string model;
  std::string program;     ///< the trial that trained it
  std::string model_uuid;  ///< ModelUuid
  std::int64_t created_ms = 0;
  ExportInfo info;
  Lineage lineage;
  std::vector<GateVerdict> verdicts;
  std::filesystem::path onnx_file;
  std::string onnx_sha256;                     ///< hex
  std::string weights_sha256;                  ///< of <onnx_file>.data; empty: there is none
  std::string engine;                          ///< the inference engine that the gates ran on
  const Evaluation* evaluation = nullptr;      ///< the held-out rows
  const std::vector<float>* logits = nullptr;  ///< (N, W), of the engine on those rows

  /// SHA-256 in hex of a role's data; "" when nobody recorded it.
  [[nodiscard]] std::string DataDigest(const std::string& role) const;
};

/// 32 hex digits, in MLmodel and ml-bom.json: which of a model's versions the files are, whose number is not known
/// yet when they are signed. Of the promotion's request, which the version's tag kRequestTag (lineage.h) holds.
std::string ModelUuid(std::string_view request_id);

/// A file of the version's directory: `bytes`, or a copy of `copy_from` when that is set.
struct PackageFile {
  std::string path;
  std::string bytes;
  std::filesystem::path copy_from;
};

/// All files of the version's directory but the signature.
std::vector<PackageFile> BuildPackage(const PackageSpec& spec);
std::string CardText(const PackageSpec& spec);

}  // namespace muster::registry
