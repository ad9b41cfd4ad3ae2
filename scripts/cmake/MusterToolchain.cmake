# Compiler, warnings, linker, cache and sanitizers.
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "" FORCE)
endif()

find_program(MUSTER_CCACHE ccache)
if(MUSTER_CCACHE)
  # A relative base makes one cache serve every checkout and build folder of the project.
  set(launcher ${CMAKE_COMMAND} -E env CCACHE_BASEDIR=${CMAKE_SOURCE_DIR} CCACHE_NOHASHDIR=1
      CCACHE_SLOPPINESS=time_macros,include_file_mtime,include_file_ctime ${MUSTER_CCACHE})
  set(CMAKE_C_COMPILER_LAUNCHER ${launcher})
  set(CMAKE_CXX_COMPILER_LAUNCHER ${launcher})
endif()
find_program(MUSTER_MOLD mold)
if(MUSTER_MOLD)
  add_link_options(-fuse-ld=mold)
endif()

add_compile_options(-Wall -Wextra -Wno-missing-field-initializers $<$<BOOL:${MUSTER_WARNINGS_AS_ERRORS}>:-Werror>)
# gcc 12 sees overlapping copies in std::string's operator+ where there are none (gcc bug 105651), and at -O3
# strings of a variant's other alternatives that are read.
add_compile_options($<$<CXX_COMPILER_ID:GNU>:-Wno-restrict>
                    $<$<AND:$<CXX_COMPILER_ID:GNU>,$<CONFIG:Release>>:-Wno-maybe-uninitialized>)
# The same numbers on every host: no contraction of a*b+c into one rounding.
add_compile_options(-ffp-contract=off)
if(MUSTER_SANITIZE)
  # With sanitizers gcc warns of uninitialized reads in LibTorch's headers, wrongly.
  add_compile_options(-fsanitize=${MUSTER_SANITIZE} -fno-omit-frame-pointer -g1 -Wno-maybe-uninitialized)
  add_link_options(-fsanitize=${MUSTER_SANITIZE})
  if(MUSTER_SANITIZE STREQUAL thread)
    # Asio's handlers hold fences, which gcc's thread sanitizer does not follow and warns of.
    add_compile_options(-Wno-tsan)
  endif()
endif()
