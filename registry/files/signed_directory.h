#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "registry/files/model_key.h"
#include "registry/package/model_signature.h"

/// A version's directory and its model.sig. Any thread.

namespace muster::registry {

struct FileDigest {
  std::string sha256;  ///< hex
  std::int64_t bytes = 0;
};
/// kNotFound, kIo.
Result<FileDigest> DigestFile(const std::filesystem::path& file);

/// All files below `directory` but model.sig at its top. kInvalid, by name, for a link or anything else that is
/// neither a file nor a folder: what it leads to could change unseen.
Result<std::vector<SignedFile>> DigestFiles(const std::filesystem::path& directory);

/// Writes model.sig, flushed.
Status SignDirectory(const std::filesystem::path& directory, std::string_view model,
                     const ModelKey& key);

/// What is wrong with the directory, a sentence a file that begins with its name; empty: it is what was signed with
/// the key, as the files of `model` (empty: of any). A signature that is missing or wrong is one finding,
/// "model.sig: ...", and then no file is looked at; a link is one too, and then no other file is. kInvalid when the
/// key is none; kIo.
Result<std::vector<std::string>> VerifyDirectory(const std::filesystem::path& directory,
                                                 const std::string& public_key_pem,
                                                 const std::string& model = "");

}  // namespace muster::registry
