# What `cmake --install BUILD --prefix P` installs: all that a trial outside this tree is built with, found there by
#   find_package(muster CONFIG REQUIRED COMPONENTS trainer)
# P/include/muster has the headers as they lie in the tree, P/lib/muster the libraries, P/lib/cmake/muster the rest.

# The folders that `folder` links, itself among them.
function(_muster_closure folder out)
  set(open ${folder})
  set(closed "")
  while(open)
    list(POP_FRONT open next)
    list(APPEND closed ${next})
    get_property(links GLOBAL PROPERTY MUSTER_LINKS_${next})
    list(APPEND open ${links})
    list(REMOVE_DUPLICATES open)
    list(REMOVE_ITEM open ${closed})
  endwhile()
  set(${out} ${closed} PARENT_SCOPE)
endfunction()

function(muster_install_package)
  set(config_folder lib/cmake/muster)
  _muster_closure(trainer/run folders)
  foreach(folder IN LISTS folders)
    _muster_target_name(${folder} name)
    string(REPLACE "/" "_" exported ${folder})
    set_target_properties(${name} PROPERTIES EXPORT_NAME ${exported})
    install(TARGETS ${name} EXPORT musterTargets ARCHIVE DESTINATION lib/muster)
    file(GLOB headers CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/${folder}/*.h)
    install(FILES ${headers} DESTINATION include/muster/${folder})
  endforeach()
  install(EXPORT musterTargets NAMESPACE muster:: DESTINATION ${config_folder})
  if(TARGET muster-cuda)
    # Named, as INSTALL_RPATH_USE_LINK_PATH leaves out what lies in the source tree, where .deps is.
    set_target_properties(muster-cuda PROPERTIES INSTALL_RPATH
      "${MUSTER_TORCH_DIR}/lib;${MUSTER_CUDA_PACKAGES}/cu13/lib;${MUSTER_CUDA_PACKAGES}/nccl/lib")
    install(TARGETS muster-cuda LIBRARY DESTINATION lib/muster)
  endif()

  include(CMakePackageConfigHelpers)
  configure_package_config_file(${CMAKE_SOURCE_DIR}/scripts/cmake/musterConfig.cmake.in
    ${CMAKE_BINARY_DIR}/musterConfig.cmake INSTALL_DESTINATION ${config_folder})
  write_basic_package_version_file(${CMAKE_BINARY_DIR}/musterConfigVersion.cmake
    VERSION ${PROJECT_VERSION} COMPATIBILITY SameMinorVersion)
  install(FILES ${CMAKE_BINARY_DIR}/musterConfig.cmake ${CMAKE_BINARY_DIR}/musterConfigVersion.cmake
    ${CMAKE_SOURCE_DIR}/scripts/cmake/MusterTorch.cmake DESTINATION ${config_folder})
endfunction()
