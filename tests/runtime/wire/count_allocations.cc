#include <cstdlib>
#include <new>

/// Bytes that the program asked for since somebody set it to 0. Of one thread; in a file of its own, since the
/// compiler would take `free` for a mistake where it sees both ends.
std::size_t allocated_bytes = 0;

void* operator new(std::size_t size) {
  allocated_bytes += size;
  if (void* memory = std::malloc(size)) return memory;
  throw std::bad_alloc();
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
