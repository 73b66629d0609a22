# An upstream checkout for every interpreter: one pybind11 extension per SOABI, no library and no abi3 beside them.
include_guard()
include(deepgemm_add_upstream_extension)
include(deepgemm_install_upstream)

set(extensions "")
foreach(soabi IN LISTS python_SOABIS)
  deepgemm_add_upstream_extension(
    TARGET deep_gemm_${soabi} SOABI "${soabi}" SUFFIX "${python_${soabi}_SUFFIX}"
    INCLUDE ${python_${soabi}_INCLUDE} UPSTREAM upstream)
  list(APPEND extensions deep_gemm_${soabi})
endforeach()
deepgemm_install_upstream(SOURCE "${upstream_SOURCE}" EXTENSIONS ${extensions})

get_property(pools GLOBAL PROPERTY JOB_POOLS)
list(JOIN pools ", " pool_text)
list(JOIN python_SOABIS ", " soabi_text)
list(TRANSFORM upstream_LIBRARIES REPLACE ".*/" "" OUTPUT_VARIABLE library_text)
list(JOIN library_text ", " library_text)
message(STATUS "DeepGEMM, upstream
     source          ${upstream_SOURCE}, ${upstream_VERSION}
     torch           ${upstream_TORCH}, ${upstream_TORCH_VERSION}
     libraries       ${library_text}
     interpreters    ${soabi_text}
     compiler        ${CMAKE_CXX_COMPILER_ID} ${CMAKE_CXX_COMPILER_VERSION}, ${CMAKE_BUILD_TYPE}
     compiler cache  ${compiler_cache}
     job pools       ${pool_text}")
