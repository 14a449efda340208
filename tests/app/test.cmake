# These tests run the program itself.
add_dependencies(app_test millrace)
target_compile_definitions(app_test PRIVATE MILLRACE_BINARY="$<TARGET_FILE:millrace>")
target_sources(app_test PRIVATE tests/app/process.cc tests/support/fake_kafka.cc)
