include_guard()

# Stop unless the caller's arguments, parsed with the prefix ARG, hold all REQUIRED keywords and nothing unknown.
#
#   deepgemm_check_arguments(<function> REQUIRED <keyword>...)
function(deepgemm_check_arguments caller)
  cmake_parse_arguments(PARSE_ARGV 1 CHECK "" "" "REQUIRED")
  if(CHECK_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "deepgemm_check_arguments: unknown arguments: ${CHECK_UNPARSED_ARGUMENTS}")
  endif()
  if(ARG_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "${caller}: unknown arguments: ${ARG_UNPARSED_ARGUMENTS}")
  endif()
  foreach(keyword IN LISTS CHECK_REQUIRED)
    if(NOT DEFINED ARG_${keyword} OR "${ARG_${keyword}}" STREQUAL "")
      message(FATAL_ERROR "${caller}: ${keyword} is required, none was given")
    endif()
  endforeach()
endfunction()
