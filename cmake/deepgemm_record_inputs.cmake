include_guard()
include(deepgemm_check_arguments)

# Record what the build folder is made of and ninja cannot see (compilers, pins, torch, branch), and say what
# changed since the last configure. Sets <prefix>_NVCC_STAMP: a file that changes when nvcc's version does.
#
#   deepgemm_record_inputs(OUTPUT <prefix> [NVCC <path>])
function(deepgemm_record_inputs)
  cmake_parse_arguments(PARSE_ARGV 0 ARG "" "OUTPUT;NVCC" "")
  deepgemm_check_arguments(deepgemm_record_inputs REQUIRED OUTPUT)
  execute_process(
    COMMAND "${VLLM_PYTHON_EXECUTABLE}" -m tools.incremental record --build-folder "${CMAKE_BINARY_DIR}"
      "--python=${VLLM_PYTHON_EXECUTABLE}" "--compiler=${CMAKE_CXX_COMPILER}" "--nvcc=${ARG_NVCC}"
    WORKING_DIRECTORY "${CMAKE_SOURCE_DIR}"
    OUTPUT_VARIABLE changes ERROR_VARIABLE complaint RESULT_VARIABLE code OUTPUT_STRIP_TRAILING_WHITESPACE)
  if(NOT code EQUAL 0)
    message(FATAL_ERROR "${complaint}")
  endif()
  if(changes MATCHES "a clean build is due")
    message(WARNING "Changed since the objects were made\n${changes}")
  elseif(changes)
    string(REPLACE "\n" "\n     " changes "${changes}")
    message(STATUS "Changed since the last configure\n     ${changes}")
  endif()
  set(${ARG_OUTPUT}_NVCC_STAMP "${CMAKE_BINARY_DIR}/inputs/nvcc.txt" PARENT_SCOPE)
endfunction()
