# Every outside library, found once. LibTorch and OpenVINO come from the environment of scripts/setup.
find_package(Threads REQUIRED)
find_package(PkgConfig REQUIRED)
find_package(Boost 1.81 EXACT REQUIRED COMPONENTS json url)
find_library(MUSTER_BOOST_JSON_ARCHIVE libboost_json.a REQUIRED)  # for programs that set MUSTER_STATIC
find_package(SQLite3 REQUIRED)
find_package(OpenSSL REQUIRED)
find_package(ZLIB REQUIRED)
find_package(CURL REQUIRED)
find_package(yaml-cpp REQUIRED)
find_path(MUSTER_FLATBUFFERS flatbuffers/flatbuffers.h REQUIRED)  # its builder is all in headers
find_package(CLI11 REQUIRED)
find_package(Eigen3 3.4 REQUIRED NO_MODULE)
pkg_check_modules(zmq REQUIRED IMPORTED_TARGET libzmq)
pkg_check_modules(hdf5 REQUIRED IMPORTED_TARGET hdf5-serial)
pkg_check_modules(re2 REQUIRED IMPORTED_TARGET re2)
pkg_check_modules(deflate REQUIRED IMPORTED_TARGET libdeflate)
if(MUSTER_TESTS)
  find_package(GTest REQUIRED)
endif()

if(NOT MUSTER_DEPS)
  set(MUSTER_DEPS ${CMAKE_SOURCE_DIR}/.deps)
endif()
file(GLOB site_packages ${MUSTER_DEPS}/python/lib/python3*/site-packages)
if(NOT site_packages)
  message(FATAL_ERROR "no Python environment in ${MUSTER_DEPS}: run scripts/setup first")
endif()

# An SDK in a wheel. IMPORTED targets are global so that every folder sees them.
find_package(OpenVINO REQUIRED COMPONENTS Runtime ONNX
             PATHS ${site_packages}/openvino/cmake NO_DEFAULT_PATH)

if(MUSTER_TRAINER)
  find_package(MPI REQUIRED COMPONENTS C)
  if(NOT MUSTER_TORCH_DIR)
    set(MUSTER_TORCH_DIR ${site_packages}/torch)
  endif()
  set(version_file ${MUSTER_TORCH_DIR}/include/torch/headeronly/version.h)
  if(NOT EXISTS ${version_file})
    message(FATAL_ERROR "no LibTorch in ${MUSTER_TORCH_DIR}: run scripts/setup, or set MUSTER_TORCH_DIR")
  endif()
  file(STRINGS ${version_file} version_lines REGEX "TORCH_VERSION_(MAJOR|MINOR|PATCH) [0-9]+")
  string(REGEX REPLACE "[^;]*(MAJOR|MINOR|PATCH) ([0-9]+)" "\\2" version "${version_lines}")
  if(NOT version STREQUAL "2;11;0")
    message(FATAL_ERROR "${MUSTER_TORCH_DIR} is LibTorch ${version}; wanted 2.11.0")
  endif()
  # TorchConfig.cmake asks for a CUDA toolkit; the two libraries a CPU program needs are named here.
  add_library(muster_torch INTERFACE)
  target_include_directories(muster_torch SYSTEM INTERFACE
    ${MUSTER_TORCH_DIR}/include ${MUSTER_TORCH_DIR}/include/torch/csrc/api/include)
  target_compile_definitions(muster_torch INTERFACE USE_DISTRIBUTED)
  # What follows the wheel's headers into a unit is not ours to warn about.
  target_compile_options(muster_torch INTERFACE -Wno-unused-parameter)
  target_link_libraries(muster_torch INTERFACE
    ${MUSTER_TORCH_DIR}/lib/libtorch_cpu.so ${MUSTER_TORCH_DIR}/lib/libc10.so)
  target_link_options(muster_torch INTERFACE -Wl,--allow-shlib-undefined)
endif()
