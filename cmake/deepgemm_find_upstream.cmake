include_guard()
include(deepgemm_check_arguments)

# Set <prefix>_SOURCE, _VERSION, _TORCH, _TORCH_VERSION, _TORCH_ABI, _INCLUDE, _LIBRARIES and _JOBS of the checkout that
# DEEPGEMM_SRC_DIR names and of what it is compiled against; tools/upstream_facts.py tells them. <prefix>_SOURCE is
# empty where nothing is named.
#
#   deepgemm_find_upstream(OUTPUT <prefix> CUDA_INCLUDE <folder>)
function(deepgemm_find_upstream)
  cmake_parse_arguments(PARSE_ARGV 0 ARG "" "OUTPUT;CUDA_INCLUDE" "")
  deepgemm_check_arguments(deepgemm_find_upstream REQUIRED OUTPUT CUDA_INCLUDE)
  # The environment wins and is remembered: ninja may configure again without it.
  foreach(name IN ITEMS DEEPGEMM_SRC_DIR DEEPGEMM_TORCH)
    if(NOT "$ENV{${name}}" STREQUAL "")
      set(${name} "$ENV{${name}}" CACHE PATH "" FORCE)
    endif()
  endforeach()
  set(DEEPGEMM_SRC_DIR "" CACHE PATH "An upstream DeepGEMM checkout to build instead of csrc/deep_gemm")
  set(DEEPGEMM_TORCH "" CACHE PATH "The torch package's folder for it; empty: that of VLLM_PYTHON_EXECUTABLE")
  set(${ARG_OUTPUT}_SOURCE "" PARENT_SCOPE)
  if(DEEPGEMM_SRC_DIR STREQUAL "")
    return()
  endif()
  execute_process(
    COMMAND "${VLLM_PYTHON_EXECUTABLE}" -m tools.upstream_facts "--source=${DEEPGEMM_SRC_DIR}" "--torch=${DEEPGEMM_TORCH}"
      "--cuda-include=${ARG_CUDA_INCLUDE}"
    WORKING_DIRECTORY "${CMAKE_SOURCE_DIR}"
    OUTPUT_VARIABLE facts ERROR_VARIABLE complaint RESULT_VARIABLE code)
  if(NOT code EQUAL 0)
    message(FATAL_ERROR "${complaint}")
  endif()
  foreach(key IN ITEMS source version torch torch_version torch_abi include libraries jobs)
    string(JSON value GET "${facts}" ${key})
    string(TOUPPER ${key} name)
    set(${ARG_OUTPUT}_${name} "${value}" PARENT_SCOPE)
  endforeach()
endfunction()
