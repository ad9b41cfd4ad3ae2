#include "tests/contract/artifact_store_contract.h"
#include "tracker/files/folder_store.h"
#include "tracker/sqlite/artifact_store.h"

namespace muster::tracker {
namespace {

INSTANTIATE_TEST_SUITE_P(Local, ArtifactStoreContract,
                         testing::Values(ArtifactStoreMaker{[](const auto& folder) {
                           return OpenLocalArtifactStore(folder).value();
                         }}));
INSTANTIATE_TEST_SUITE_P(Folder, ArtifactStoreContract,
                         testing::Values(ArtifactStoreMaker{
                             [](const auto& folder) { return OpenFolderArtifactStore(folder); }}));

}  // namespace
}  // namespace muster::tracker
