# muster_use_torch(DIR OUT): the target muster_torch over the LibTorch in DIR (which holds include/ and lib/), or in OUT
# why there is none. Read by this tree and by what is installed of it.

set(MUSTER_TORCH_VERSION 2.11.0)

function(muster_use_torch dir out)
  set(version_file ${dir}/include/torch/headeronly/version.h)
  if(NOT EXISTS ${version_file})
    set(${out} "no LibTorch in ${dir}; wanted ${MUSTER_TORCH_VERSION}" PARENT_SCOPE)
    return()
  endif()
  file(STRINGS ${version_file} lines REGEX "TORCH_VERSION_(MAJOR|MINOR|PATCH) [0-9]+")
  string(REGEX REPLACE "[^;]*(MAJOR|MINOR|PATCH) ([0-9]+)" "\\2" numbers "${lines}")
  string(REPLACE ";" "." version "${numbers}")
  if(NOT version STREQUAL MUSTER_TORCH_VERSION)
    set(${out} "${dir} is LibTorch ${version}; wanted ${MUSTER_TORCH_VERSION}" PARENT_SCOPE)
    return()
  endif()
  set(${out} "" PARENT_SCOPE)
  if(TARGET muster_torch)
    return()
  endif()
  # TorchConfig.cmake asks for a CUDA toolkit; the two libraries a CPU program needs are named here.
  add_library(muster_torch INTERFACE IMPORTED GLOBAL)
  target_include_directories(muster_torch SYSTEM INTERFACE
    ${dir}/include ${dir}/include/torch/csrc/api/include)
  target_compile_definitions(muster_torch INTERFACE USE_DISTRIBUTED)
  # What follows the wheel's headers into a unit is not ours to warn about.
  target_compile_options(muster_torch INTERFACE -Wno-unused-parameter)
  target_link_libraries(muster_torch INTERFACE ${dir}/lib/libtorch_cpu.so ${dir}/lib/libc10.so)
  target_link_options(muster_torch INTERFACE -Wl,--allow-shlib-undefined)
endfunction()
