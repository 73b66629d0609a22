include_guard()
include(deepgemm_check_arguments)

# Set <variable> to the static CUDA runtime of the toolkit whose cuda.h lies in <folder>; empty where it has none.
#
#   vllm_cuda_runtime(INCLUDE <folder> OUTPUT <variable>)
function(vllm_cuda_runtime)
  cmake_parse_arguments(PARSE_ARGV 0 ARG "" "INCLUDE;OUTPUT" "")
  deepgemm_check_arguments(vllm_cuda_runtime REQUIRED INCLUDE OUTPUT)
  find_library(library NAMES libcudart_static.a NO_CACHE NO_DEFAULT_PATH
    PATHS "${ARG_INCLUDE}/.." PATH_SUFFIXES lib64 lib targets/x86_64-linux/lib)
  if(library)
    cmake_path(NORMAL_PATH library)
    set(${ARG_OUTPUT} "${library}" PARENT_SCOPE)
  else()
    set(${ARG_OUTPUT} "" PARENT_SCOPE)
  endif()
endfunction()
