#include "registry/files/edge_pack.h"

#include <unistd.h>

#include <array>
#include <optional>

#include "registry/files/onnx_file.h"
#include "registry/files/signed_directory.h"
#include "runtime/base/file.h"

namespace muster::registry {
namespace {

namespace fs = std::filesystem;

/// Each is a file, or file and version: "libtbb.so.12". The plugin is named after the processor.
constexpr std::array<std::string_view, 6> kLibraries = {"libopenvino.so",
                                                        "libopenvino_c.so",
                                                        "libopenvino_onnx_frontend.so",
                                                        "libopenvino_*_cpu_plugin.so",
                                                        "libtbb.so",
                                                        "libtbbmalloc.so"};

bool Matches(std::string_view name, std::string_view pattern) {
  const std::size_t star = pattern.find('*');
  if (star == std::string_view::npos) {
    return name.starts_with(pattern) &&
           (name.size() == pattern.size() || name[pattern.size()] == '.');
  }
  return name.starts_with(pattern.substr(0, star)) && name.ends_with(pattern.substr(star + 1));
}

Status Copy(const fs::path& from, const fs::path& to) {
  std::error_code code;
  fs::create_directories(to.parent_path(), code);
  if (!code) fs::copy(from, to, fs::copy_options::recursive, code);
  if (code) return IoError("copy " + from.string() + " to " + to.string(), code.value());
  return Ok();
}

/// Links are followed, and of several names of one library the longest stays: the one that others ask for.
Status CopyLibraries(const fs::path& folder, const fs::path& to) {
  for (const std::string_view pattern : kLibraries) {
    std::optional<fs::path> found;
    std::error_code code;
    for (const auto& entry : fs::directory_iterator(folder, code)) {
      const std::string name = entry.path().filename().string();
      if (Matches(name, pattern) && (!found || name.size() > found->filename().string().size())) {
        found = entry.path();
      }
    }
    if (code) return IoError(folder.string(), code.value());
    if (!found) {
      return NotFound("there is no " + std::string(pattern) + " in " + folder.string() +
                      "; a pack for the edge takes OpenVINO as its wheel has it");
    }
    MUSTER_RETURN_IF_ERROR(Copy(fs::canonical(*found, code), to / found->filename()));
  }
  return Ok();
}

/// In the wheel headers and licenses lie beside the libraries.
Status CopyHeaders(const fs::path& folder, const fs::path& to) {
  const fs::path root = folder.parent_path();
  std::error_code code;
  fs::path headers = root / "include/openvino/c";
  if (!fs::is_directory(headers, code)) headers = "/usr/include/openvino/c";
  if (!fs::is_directory(headers, code)) {
    return NotFound("there is no include/openvino/c in " + root.string() +
                    ", which the example wants");
  }
  MUSTER_RETURN_IF_ERROR(Copy(headers, to / "include/openvino/c"));
  for (const auto& entry : fs::directory_iterator(root.parent_path(), code)) {
    const std::string name = entry.path().filename().string();
    if (!name.starts_with("openvino-") || !fs::is_directory(entry.path() / "licenses", code))
      continue;
    MUSTER_RETURN_IF_ERROR(Copy(entry.path() / "licenses", to / "licenses"));
  }
  return Ok();
}

Status WriteExample(const std::string& activation_group, const fs::path& to) {
  constexpr std::string_view kMark = "@ACTIVATION_GROUP@";
  std::string example(kEdgeExample);
  example.replace(example.find(kMark), kMark.size(), activation_group);
  MUSTER_RETURN_IF_ERROR(WriteFileAtomically(to / "predict.cpp", example));
  return WriteFileAtomically(to / "CMakeLists.txt", kEdgeCMake);
}

Result<EdgePacked> WriteManifest(EdgeManifest manifest, const fs::path& to) {
  EdgePacked packed;
  MUSTER_ASSIGN_OR_RETURN(const auto files, DigestFiles(to));
  for (const SignedFile& file : files) {
    std::error_code code;
    const auto bytes = static_cast<std::int64_t>(fs::file_size(to / file.name, code));
    if (code) return IoError(file.name, code.value());
    manifest.files.push_back({file.name, bytes, file.sha256});
    packed.bytes += bytes;
    if (file.name.starts_with("lib/")) packed.runtime_bytes += bytes;
  }
  MUSTER_RETURN_IF_ERROR(WriteFileAtomically(to / "manifest.json", ToJson(manifest)));
  return packed;
}

Result<EdgePacked> Write(const EdgePack& pack, const ModelKey& key, const fs::path& to) {
  const fs::path onnx = pack.version.directory / "model.onnx";
  MUSTER_RETURN_IF_ERROR(Copy(onnx, to / "model.onnx"));
  std::error_code code;
  const fs::path weights = onnx.string() + ".data";
  if (fs::exists(weights, code)) MUSTER_RETURN_IF_ERROR(Copy(weights, to / "model.onnx.data"));
  EdgeManifest manifest = pack.manifest;
  MUSTER_ASSIGN_OR_RETURN(const onnx::Model model, ReadOnnxFile(onnx));
  const auto group = model.metadata.find(std::string(kActivationGroupKey));
  if (group != model.metadata.end()) manifest.activation_group = group->second;
  MUSTER_RETURN_IF_ERROR(CopyLibraries(pack.engine_folder, to / "lib"));
  MUSTER_RETURN_IF_ERROR(CopyHeaders(pack.engine_folder, to));
  MUSTER_RETURN_IF_ERROR(WriteExample(manifest.activation_group, to));
  MUSTER_RETURN_IF_ERROR(WriteFileAtomically(to / "model-signing.pub", key.public_key_pem()));
  MUSTER_ASSIGN_OR_RETURN(const EdgePacked packed, WriteManifest(std::move(manifest), to));
  MUSTER_RETURN_IF_ERROR(SignDirectory(to, pack.version.name, key));
  return packed;
}

}  // namespace

Result<EdgePacked> PackForEdge(const EdgePack& pack, const ModelKey& key, const fs::path& out) {
  std::error_code code;
  if (fs::exists(out, code) && !(fs::is_directory(out, code) && fs::is_empty(out, code))) {
    return AlreadyExists(out.string() + " is there and not an empty folder");
  }
  fs::path target = out.lexically_normal();
  if (!target.has_filename()) target = target.parent_path();
  const fs::path temporary = target.string() + ".tmp" + std::to_string(::getpid());
  fs::remove_all(temporary, code);
  auto packed = Write(pack, key, temporary);
  if (packed.ok()) {
    fs::rename(temporary, target, code);
    if (code) packed = IoError(target.string(), code.value());
  }
  std::error_code ignored;
  fs::remove_all(temporary, ignored);
  return packed;
}

}  // namespace muster::registry
