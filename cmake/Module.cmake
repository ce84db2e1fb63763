# One module is one folder below src/: its sources make the library tidegate_<name>, its *_test.cc the program
# <name>_test. DEPENDS names the modules that it may include, LIBRARIES what it links from outside; the table of
# docs/ARCHITECTURE.md says the same, and tools/check-includes checks that the code keeps to it.

add_library(tidegate_flags INTERFACE)
target_include_directories(tidegate_flags INTERFACE ${CMAKE_SOURCE_DIR}/src ${CMAKE_BINARY_DIR}/generated)
target_compile_options(tidegate_flags INTERFACE -Wall -Wextra -Wpedantic -Werror -Wno-missing-field-initializers)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # g++ 12 at -O2 takes the empty half of a moved std::optional for something that is read.
  target_compile_options(tidegate_flags INTERFACE -Wno-maybe-uninitialized)
elseif(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  # libstdc++ 12's std::stable_sort uses what it has itself marked as deprecated.
  target_compile_options(tidegate_flags INTERFACE -Wno-deprecated-declarations)
endif()
target_link_libraries(tidegate_flags INTERFACE Threads::Threads)

function(tidegate_module name)
  cmake_parse_arguments(M "" "" "DEPENDS;LIBRARIES;TEST_DEPENDS" ${ARGN})
  set(folder ${CMAKE_SOURCE_DIR}/src/${name})
  file(GLOB sources CONFIGURE_DEPENDS ${folder}/*.cc)
  file(GLOB tests CONFIGURE_DEPENDS ${folder}/*_test.cc)
  if(tests)
    list(REMOVE_ITEM sources ${tests})
  endif()
  if(TIDEGATE_SANITIZE)
    list(FILTER tests EXCLUDE REGEX "/allocation_test.cc$")  # sanitizers have an operator new of their own
  endif()
  list(FILTER sources EXCLUDE REGEX "/main\\.cc$")
  if(sources)
    add_library(tidegate_${name} STATIC ${sources})
    set(scope PUBLIC)
  else()
    add_library(tidegate_${name} INTERFACE)
    set(scope INTERFACE)
  endif()
  list(TRANSFORM M_DEPENDS PREPEND tidegate_)
  target_link_libraries(tidegate_${name} ${scope} tidegate_flags ${M_DEPENDS} ${M_LIBRARIES})
  if(TARGET flatbuffers_generated)
    add_dependencies(tidegate_${name} flatbuffers_generated)
  endif()
  if(sources AND CMAKE_BUILD_TYPE STREQUAL "Debug")
    target_compile_options(tidegate_${name} PRIVATE -O1)  # compiles as fast as -O0, and the tests wait for it
  endif()
  if(tests AND TIDEGATE_TESTS)
    list(TRANSFORM M_TEST_DEPENDS PREPEND tidegate_)
    add_executable(${name}_test ${tests})
    target_link_libraries(${name}_test tidegate_${name} ${M_TEST_DEPENDS} GTest::gtest_main)
    add_test(NAME ${name} COMMAND ${name}_test)
    set_tests_properties(${name} PROPERTIES TIMEOUT 1800)  # ten times of what a quiet machine takes
  endif()
endfunction()

# Every schema of schemas/ becomes a header in <build>/generated/schemas/.
function(tidegate_flatbuffers)
  file(GLOB schemas CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/schemas/*.fbs)
  set(headers)
  foreach(schema ${schemas})
    get_filename_component(stem ${schema} NAME_WE)
    set(header ${CMAKE_BINARY_DIR}/generated/schemas/${stem}_generated.h)
    add_custom_command(OUTPUT ${header} DEPENDS ${schema}
      COMMAND ${FLATC} --cpp --cpp-std c++17 -o ${CMAKE_BINARY_DIR}/generated/schemas ${schema})
    list(APPEND headers ${header})
  endforeach()
  add_custom_target(flatbuffers_generated DEPENDS ${headers})
endfunction()

# A text file as a C++ string: <build>/generated/<header> defines `inline constexpr char <symbol>[]`. In pieces, since a
# literal has a length that compilers must support.
function(tidegate_embed file header symbol)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${file})
  file(READ ${file} text)
  string(LENGTH "${text}" length)
  set(pieces "")
  set(at 0)
  while(at LESS length)
    string(SUBSTRING "${text}" ${at} 8000 piece)
    string(APPEND pieces "R\"~~~~(${piece})~~~~\"\n")
    math(EXPR at "${at} + 8000")
  endwhile()
  file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/generated/${header} @ONLY CONTENT
    "#pragma once\n\ninline constexpr char ${symbol}[] =\n@pieces@;\n")
endfunction()
