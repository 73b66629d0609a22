# DeepGEMM for every interpreter: one libdeep_gemm.so without Python, one thin _C per SOABI, one _C.abi3.so; or, where
# DEEPGEMM_SRC_DIR names an upstream checkout, what deepgemm_upstream.cmake makes of that (decision 4).
include_guard()
include(deepgemm_add_cubins)
include(deepgemm_add_extension)
include(deepgemm_compile_options)
include(deepgemm_compiler_cache)
include(deepgemm_embed_cubins)
include(deepgemm_find_toolkit)
include(deepgemm_find_upstream)
include(deepgemm_install)
include(deepgemm_interpreters)
include(deepgemm_record_inputs)

# Kernel families: aot/<family>.cu, with shared/<family>_configs.def where it has configurations.
set(families
  gemm)
set(host_sources
  api.cpp
  arguments.cpp
  config_table.cpp
  device.cpp
  driver.cpp
  embedded_cubins.cpp
  gemm.cpp
  k_grouped.cpp
  kernel_store.cpp
  operands.cpp
  self_test.cpp
  settings.cpp
  tensor_map.cpp
  tensor_view.cpp)
set(binding_sources
  gemm_functions.cpp
  module.cpp
  setting_functions.cpp
  table_functions.cpp
  tensor_argument.cpp)
list(TRANSFORM host_sources PREPEND "${CMAKE_SOURCE_DIR}/csrc/deep_gemm/host/")
list(TRANSFORM binding_sources PREPEND "${CMAKE_SOURCE_DIR}/csrc/deep_gemm/binding/")

deepgemm_compiler_cache(OUTPUT compiler_cache)
deepgemm_find_toolkit(OUTPUT cuda)
deepgemm_record_inputs(OUTPUT inputs NVCC "${cuda_NVCC}")
deepgemm_interpreters(OUTPUT python)
deepgemm_find_upstream(OUTPUT upstream CUDA_INCLUDE "${cuda_INCLUDE}")

if(upstream_SOURCE)
  include(external_projects/deepgemm_upstream)
  return()
endif()

foreach(family IN LISTS families)
  deepgemm_add_cubins(FAMILY ${family} NVCC "${cuda_NVCC}" OUTPUT cubin STAMP "${inputs_NVCC_STAMP}")
endforeach()

add_library(deep_gemm SHARED ${host_sources})
deepgemm_compile_options(TARGET deep_gemm)
target_include_directories(deep_gemm SYSTEM PRIVATE "${cuda_INCLUDE}")
deepgemm_embed_cubins(TARGET deep_gemm NAMES ${cubin_NAMES} FILES ${cubin_FILES})
find_package(Threads REQUIRED)
target_link_libraries(deep_gemm PRIVATE Threads::Threads ${CMAKE_DL_LIBS})
target_link_options(deep_gemm PRIVATE LINKER:--no-undefined)

set(extensions "")
foreach(soabi IN LISTS python_SOABIS)
  deepgemm_add_extension(
    TARGET deep_gemm_${soabi} SOABI "${soabi}" SUFFIX "${python_${soabi}_SUFFIX}"
    INCLUDE ${python_${soabi}_INCLUDE} LIBRARY deep_gemm SOURCES ${binding_sources})
  list(APPEND extensions deep_gemm_${soabi})
endforeach()

# Decision 1: serves the CPythons that are not in the list. Any CPython's headers of 3.10 or later do.
list(GET python_SOABIS 0 soabi)
deepgemm_add_extension(
  TARGET deep_gemm_abi3 SOABI "abi3-0x030A0000" SUFFIX ".abi3.so" INCLUDE ${python_${soabi}_INCLUDE}
  LIBRARY deep_gemm SOURCES ${binding_sources} DEFINITIONS Py_LIMITED_API=0x030A0000)
list(APPEND extensions deep_gemm_abi3)

deepgemm_install(LIBRARY deep_gemm EXTENSIONS ${extensions})

list(LENGTH cubin_NAMES cubin_count)
list(JOIN python_SOABIS ", " soabi_text)
message(STATUS "DeepGEMM
     nvcc            ${cuda_NVCC}, ${cuda_RELEASE}
     cubins          ${cubin_count}
     interpreters    ${soabi_text}, abi3
     compiler        ${CMAKE_CXX_COMPILER_ID} ${CMAKE_CXX_COMPILER_VERSION}, ${CMAKE_BUILD_TYPE}
     compiler cache  ${compiler_cache}")
