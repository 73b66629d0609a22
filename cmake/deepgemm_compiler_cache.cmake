include_guard()
include(deepgemm_check_arguments)

# Put sccache or ccache, where one is installed, before the C++ compiler; set <variable> to what was found.
#
# A launcher that the user chose (CMAKE_CXX_COMPILER_LAUNCHER, also as "none") stays.
#
#   deepgemm_compiler_cache(OUTPUT <variable>)
function(deepgemm_compiler_cache)
  cmake_parse_arguments(PARSE_ARGV 0 ARG "" "OUTPUT" "")
  deepgemm_check_arguments(deepgemm_compiler_cache REQUIRED OUTPUT)
  if(NOT EXISTS "${DEEPGEMM_COMPILER_CACHE}")
    unset(DEEPGEMM_COMPILER_CACHE CACHE)  # uninstalled since the last configure
  endif()
  find_program(DEEPGEMM_COMPILER_CACHE NAMES sccache ccache DOC "Compiler cache put before the C++ compiler")
  mark_as_advanced(DEEPGEMM_COMPILER_CACHE)
  if(NOT DEFINED CMAKE_CXX_COMPILER_LAUNCHER AND DEEPGEMM_COMPILER_CACHE)
    set(CMAKE_CXX_COMPILER_LAUNCHER "${DEEPGEMM_COMPILER_CACHE}" PARENT_SCOPE)
    set(${ARG_OUTPUT} "${DEEPGEMM_COMPILER_CACHE}" PARENT_SCOPE)
  elseif(CMAKE_CXX_COMPILER_LAUNCHER)
    set(${ARG_OUTPUT} "${CMAKE_CXX_COMPILER_LAUNCHER}" PARENT_SCOPE)
  else()
    set(${ARG_OUTPUT} "none" PARENT_SCOPE)
  endif()
endfunction()
