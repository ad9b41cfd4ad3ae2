#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "tests/support/mutator.h"

/// Runs a fuzz target without libFuzzer, the same inputs every time:
///   TARGET CORPUS [MUTANTS] [SEED]
/// first the files of the folder CORPUS, then so many mutants of them. A target ends the process when something is
/// wrong; MUSTER_FUZZ_LAST=FILE keeps the input that was under way.

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

void Run(const std::string& input) {
  if (const char* last = std::getenv("MUSTER_FUZZ_LAST")) {
    std::ofstream(last, std::ios::binary) << input;
  }
  LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(input.data()), input.size());
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: %s CORPUS [MUTANTS] [SEED]\n", argv[0]);
    return 2;
  }
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(argv[1])) files.push_back(entry);
  std::ranges::sort(files);
  std::vector<std::string> corpus;
  for (const auto& file : files) {
    std::ifstream in(file, std::ios::binary);
    corpus.emplace_back(std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>());
    Run(corpus.back());
  }
  if (corpus.empty()) {
    std::fprintf(stderr, "%s: no inputs\n", argv[1]);
    return 1;
  }
  const long mutants = argc > 2 ? std::strtol(argv[2], nullptr, 10) : 1'000;
  const auto seed = static_cast<std::uint32_t>(argc > 3 ? std::strtoul(argv[3], nullptr, 10) : 1);
  muster::Mutator mutator(std::move(corpus), seed);
  for (long i = 0; i < mutants; ++i) Run(mutator.Next());
  std::printf("%zu inputs and %ld mutants of seed %u\n", files.size(), mutants, seed);
  return 0;
}
