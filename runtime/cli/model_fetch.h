#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "registry/serve/model_source.h"
#include "runtime/cli/context.h"

namespace muster::cli {

/// "digits@champion" or "digits/3" in its halves.
struct ModelReference {
  std::string name;
  std::string version;  ///< an alias or a number
};
/// kInvalid for anything else; also for "digits@3", which an alias of digits alone would make ambiguous.
Result<ModelReference> ParseModelReference(const std::string& text);
/// What to do when a model, version or alias is not found.
inline constexpr std::string_view kModelHint =
    "'muster model ls' lists the models, 'muster model show NAME' the versions and aliases of one";

/// A version's files from the server, kept in `cache`/<name>/<version>-<hash>, which appears whole by rename. The
/// hash is of the server's URL and of the version's source, run and time: another registry's version of that
/// number is another directory. kCorrupt for an answer that is not a registry's.
Result<registry::serve::ModelLocation> FetchModel(http::Client& client,
                                                  const ModelReference& reference,
                                                  const std::filesystem::path& cache);

/// What `muster serve` follows: the version that an alias names now, fetched when it is new.
class RegistrySource final : public registry::serve::ModelSource {
 public:
  /// `context` must outlive it; the client is made anew when the server was away, for it may have moved.
  RegistrySource(const Context& context, ModelReference reference, std::filesystem::path cache)
      : context_(context), reference_(std::move(reference)), cache_(std::move(cache)) {}
  Result<registry::serve::ModelLocation> Current() override;

 private:
  const Context& context_;
  ModelReference reference_;
  std::filesystem::path cache_;
  std::optional<http::Client> client_;
};

/// A directory when there is one of that name, its model called `name` or after the folder, else a version in the
/// registry. `context` must outlive it.
Result<std::unique_ptr<registry::serve::ModelSource>> MakeModelSource(const Context& context,
                                                                      const std::string& model,
                                                                      const std::string& name = {});

}  // namespace muster::cli
