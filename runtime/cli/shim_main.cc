// muster-shim: what runs beside the ranks of an attempt, without the libraries of the server, so that each start
// costs a fraction of the whole program's. Where it is not installed beside `muster`, that does the same.
#include <iostream>

#include "runtime/cli/hidden.h"

int main(int argc, char** argv) {
  if (const auto code = muster::cli::RunHidden(argc, argv)) return *code;
  std::cerr << "muster-shim is started by muster's agent, not by people; see muster --help\n";
  return 2;
}
