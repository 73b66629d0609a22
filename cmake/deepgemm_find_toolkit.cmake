include_guard()
include(deepgemm_check_arguments)

# Set <prefix>_NVCC, _INCLUDE and _RELEASE of the CUDA toolkit; tools/toolchain knows the rule of choice.
#
#   deepgemm_find_toolkit(OUTPUT <prefix>)
function(deepgemm_find_toolkit)
  cmake_parse_arguments(PARSE_ARGV 0 ARG "" "OUTPUT" "")
  deepgemm_check_arguments(deepgemm_find_toolkit REQUIRED OUTPUT)
  set(DEEPGEMM_NVCC "" CACHE FILEPATH "nvcc of CUDA 12.8 or later; empty: CUDACXX, CUDA_HOME, PATH, wheels")
  execute_process(
    COMMAND "${VLLM_PYTHON_EXECUTABLE}" -m tools.toolchain --json --nvcc "${DEEPGEMM_NVCC}"
    WORKING_DIRECTORY "${CMAKE_SOURCE_DIR}"
    OUTPUT_VARIABLE facts ERROR_VARIABLE complaint RESULT_VARIABLE code)
  if(NOT code EQUAL 0)
    message(FATAL_ERROR "${complaint}")
  endif()
  foreach(key IN ITEMS nvcc include release)
    string(JSON value GET "${facts}" ${key})
    string(TOUPPER ${key} name)
    set(${ARG_OUTPUT}_${name} "${value}" PARENT_SCOPE)
  endforeach()
endfunction()
