include_guard()
include(deepgemm_check_arguments)

# Ask each interpreter of DEEPGEMM_PYTHON_INTERPRETERS what an extension for it needs; a SOABI counts once.
#
# Sets <prefix>_SOABIS, and for each <soabi> in it <prefix>_<soabi>_SUFFIX and _INCLUDE.
#
#   deepgemm_interpreters(OUTPUT <prefix>)
function(deepgemm_interpreters)
  cmake_parse_arguments(PARSE_ARGV 0 ARG "" "OUTPUT" "")
  deepgemm_check_arguments(deepgemm_interpreters REQUIRED OUTPUT)
  # The environment wins and is remembered: ninja may configure again without it.
  if(NOT "$ENV{DEEPGEMM_PYTHON_INTERPRETERS}" STREQUAL "")
    set(DEEPGEMM_PYTHON_INTERPRETERS "$ENV{DEEPGEMM_PYTHON_INTERPRETERS}" CACHE STRING "" FORCE)
  endif()
  set(DEEPGEMM_PYTHON_INTERPRETERS "" CACHE STRING
    "Interpreters to build an extension for, joined by ':'; empty: VLLM_PYTHON_EXECUTABLE alone")
  set(executables "${DEEPGEMM_PYTHON_INTERPRETERS}")
  string(REPLACE ":" ";" executables "${executables}")
  list(REMOVE_ITEM executables "")
  if(executables STREQUAL "")
    set(executables "${VLLM_PYTHON_EXECUTABLE}")
  endif()

  set(soabis "")
  foreach(executable IN LISTS executables)
    _deepgemm_probe("${executable}" facts)
    string(JSON soabi GET "${facts}" soabi)
    if(soabi IN_LIST soabis)
      continue()
    endif()
    list(APPEND soabis "${soabi}")
    string(JSON suffix GET "${facts}" ext_suffix)
    string(JSON include GET "${facts}" include)
    string(JSON platinclude GET "${facts}" platinclude)
    set(${ARG_OUTPUT}_${soabi}_SUFFIX "${suffix}" PARENT_SCOPE)
    set(${ARG_OUTPUT}_${soabi}_INCLUDE "${include};${platinclude}" PARENT_SCOPE)
  endforeach()
  set(${ARG_OUTPUT}_SOABIS "${soabis}" PARENT_SCOPE)
endfunction()

# Set <output> to the JSON that tools/interpreters/probe.py prints under <executable>.
function(_deepgemm_probe executable output)
  execute_process(
    COMMAND "${executable}" -I -S "${CMAKE_SOURCE_DIR}/tools/interpreters/probe.py"
    OUTPUT_VARIABLE facts ERROR_VARIABLE complaint RESULT_VARIABLE code)
  if(code EQUAL 0)
    string(JSON complaint GET "${facts}" error)
  else()
    string(STRIP "${code} ${complaint}" complaint)
  endif()
  if(NOT complaint STREQUAL "")
    message(FATAL_ERROR "DEEPGEMM_PYTHON_INTERPRETERS: ${executable}: expected a CPython with headers, found: "
      "${complaint}; tools/setup_deepgemm_pythons.sh prints a list that serves")
  endif()
  set(${output} "${facts}" PARENT_SCOPE)
endfunction()
