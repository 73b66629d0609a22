include_guard()
include(deepgemm_check_arguments)

# Set <variable> to a folder with Python.h: those of VLLM_PYTHON_EXECUTABLE. The limited API is the same in all.
#
#   vllm_python_include(OUTPUT <variable>)
function(vllm_python_include)
  cmake_parse_arguments(PARSE_ARGV 0 ARG "" "OUTPUT" "")
  deepgemm_check_arguments(vllm_python_include REQUIRED OUTPUT)
  execute_process(
    COMMAND "${VLLM_PYTHON_EXECUTABLE}" -c "import sysconfig; print(sysconfig.get_path('include'))"
    OUTPUT_VARIABLE folder OUTPUT_STRIP_TRAILING_WHITESPACE)
  if(NOT EXISTS "${folder}/Python.h")
    message(FATAL_ERROR "VLLM_PYTHON_EXECUTABLE: expected headers beside ${VLLM_PYTHON_EXECUTABLE}, found no "
      "${folder}/Python.h; try its -dev package or another interpreter")
  endif()
  set(${ARG_OUTPUT} "${folder}" PARENT_SCOPE)
endfunction()
