// What a rank does with the first GPU, through the driver's own interface: no toolkit is needed to build it.
//   compute    holds a GiB and runs one kernel of a second after the other; the CPU sleeps meanwhile
//   hold       has the device open, and sleeps
#include <dlfcn.h>
#include <unistd.h>

#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <string_view>

namespace {

// Of cuda.h, whose binary interface is stable.
constexpr unsigned int kBlockingSync = 4;  // CU_CTX_SCHED_BLOCKING_SYNC: who waits sleeps
using Handle = void*;

constexpr const char* kKernel = R"(.version 6.4
.target sm_70
.address_size 64
.visible .entry turn(.param .u64 nanoseconds) {
  .reg .u64 %t<4>;
  .reg .pred %again;
  ld.param.u64 %t1, [nanoseconds];
  mov.u64 %t2, %globaltimer;
turn_on:
  mov.u64 %t3, %globaltimer;
  sub.u64 %t3, %t3, %t2;
  setp.lt.u64 %again, %t3, %t1;
  @%again bra turn_on;
  ret;
}
)";

template <typename... Arguments>
void Call(void* library, const char* name, Arguments... arguments) {
  auto* function = reinterpret_cast<int (*)(Arguments...)>(dlsym(library, name));
  const int answer = function == nullptr ? -1 : function(arguments...);
  if (answer == 0) return;
  std::fprintf(stderr, "%s answers %d\n", name, answer);
  std::exit(9);
}

}  // namespace

int main(int argc, char** argv) {
  void* cuda = dlopen("libcuda.so.1", RTLD_NOW);
  if (argc != 2 || cuda == nullptr) return 2;
  Handle context = nullptr, module = nullptr, kernel = nullptr;
  Call(cuda, "cuInit", 0U);
  Call(cuda, "cuCtxCreate_v2", &context, kBlockingSync, 0);
  Call<Handle*, const void*>(cuda, "cuModuleLoadData", &module, kKernel);
  Call(cuda, "cuModuleGetFunction", &kernel, module, "turn");
  if (std::string_view(argv[1]) == "hold") pause();
  unsigned long long memory = 0;
  Call(cuda, "cuMemAlloc_v2", &memory, std::size_t{1} << 30);
  unsigned long long nanoseconds = 1'000'000'000;
  void* parameters[] = {&nanoseconds};
  while (true) {
    Call<Handle, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, Handle,
         void**, void**>(cuda, "cuLaunchKernel", kernel, 1, 1, 1, 1, 1, 1, 0, nullptr, parameters,
                         nullptr);
    Call(cuda, "cuCtxSynchronize");
  }
}
