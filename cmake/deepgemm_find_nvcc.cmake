include_guard()
include(deepgemm_check_arguments)

# Set <variable> to an nvcc that compiles our cubins; the rule of choice is tools/toolchain's (docs/build.md).
#
#   deepgemm_find_nvcc(OUTPUT <variable>)
function(deepgemm_find_nvcc)
  cmake_parse_arguments(PARSE_ARGV 0 ARG "" "OUTPUT" "")
  deepgemm_check_arguments(deepgemm_find_nvcc REQUIRED OUTPUT)
  set(DEEPGEMM_NVCC "" CACHE FILEPATH "nvcc of CUDA 12.8 or later; empty: CUDACXX, CUDA_HOME, PATH, PyPI's wheels")
  execute_process(
    COMMAND "${VLLM_PYTHON_EXECUTABLE}" -m tools.toolchain --nvcc "${DEEPGEMM_NVCC}"
    WORKING_DIRECTORY "${CMAKE_SOURCE_DIR}"
    OUTPUT_VARIABLE nvcc ERROR_VARIABLE complaint RESULT_VARIABLE code OUTPUT_STRIP_TRAILING_WHITESPACE)
  if(NOT code EQUAL 0)
    message(FATAL_ERROR "${complaint}")
  endif()
  set(${ARG_OUTPUT} "${nvcc}" PARENT_SCOPE)
endfunction()
