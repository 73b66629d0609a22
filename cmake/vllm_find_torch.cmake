include_guard()
include(deepgemm_check_arguments)

# Set <prefix>_INCLUDE and <prefix>_VERSION of a torch of 2.11 or later, both empty where there is none. It is looked
# for, not imported: in VLLM_TORCH_DIR of the environment, then in VLLM_PYTHON_EXECUTABLE's, then where the last
# configure found it, so that a build from an environment without torch leaves the operators as they are.
#
#   vllm_find_torch(OUTPUT <prefix>)
function(vllm_find_torch)
  cmake_parse_arguments(PARSE_ARGV 0 ARG "" "OUTPUT" "")
  deepgemm_check_arguments(vllm_find_torch REQUIRED OUTPUT)
  execute_process(
    COMMAND "${VLLM_PYTHON_EXECUTABLE}" -c
      "import importlib.util as u; s = u.find_spec('torch'); print(s.submodule_search_locations[0] if s else '')"
    WORKING_DIRECTORY "${CMAKE_BINARY_DIR}"
    OUTPUT_VARIABLE asked OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  set(${ARG_OUTPUT}_INCLUDE "" PARENT_SCOPE)
  set(${ARG_OUTPUT}_VERSION "" PARENT_SCOPE)
  foreach(folder IN ITEMS "$ENV{VLLM_TORCH_DIR}" "${asked}" "${VLLM_TORCH_FOUND}")
    if(EXISTS "${folder}/include/torch/csrc/stable/library.h" AND EXISTS "${folder}/version.py")
      file(STRINGS "${folder}/version.py" line REGEX "^__version__ *=" LIMIT_COUNT 1)
      string(REGEX REPLACE "^[^'\"]*['\"]([^'\"]*)['\"].*" "\\1" version "${line}")
      string(REGEX MATCH "^[0-9]+\\.[0-9]+" release "${version}")
      if(release VERSION_GREATER_EQUAL 2.11)
        set(VLLM_TORCH_FOUND "${folder}" CACHE INTERNAL "Where the last configure found torch")
        set(${ARG_OUTPUT}_INCLUDE "${folder}/include" PARENT_SCOPE)
        set(${ARG_OUTPUT}_VERSION "${version}" PARENT_SCOPE)
        return()
      endif()
    endif()
  endforeach()
endfunction()
