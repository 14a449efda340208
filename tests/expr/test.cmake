# The conformance program and its runs over the files of tests/data/cel.
add_executable(cel_conformance tests/expr/cel_conformance.cc)
target_link_libraries(cel_conformance PRIVATE millrace_expr)
add_test(NAME cel_conformance
         COMMAND cel_conformance --deviations ${CMAKE_SOURCE_DIR}/tests/data/cel/deviations.jsonl
                 ${CMAKE_SOURCE_DIR}/tests/data/cel/conformance.jsonl
                 ${CMAKE_SOURCE_DIR}/tests/data/cel/parsing.jsonl
                 ${CMAKE_SOURCE_DIR}/tests/data/cel/supplement.jsonl)
set_tests_properties(cel_conformance PROPERTIES LABELS unit TIMEOUT 60)
find_library(RAPIDCHECK_LIBRARY rapidcheck REQUIRED)
target_link_libraries(expr_test PRIVATE ${RAPIDCHECK_LIBRARY})
