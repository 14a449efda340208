# Defines rdkafka::rdkafka: the static library that scripts/setup builds in build/deps, else the system's when it is new
# enough. Older versions lose or repeat records around rebalances, so there is no third choice.

set(MILLRACE_RDKAFKA_MINIMUM 2.13.2)

function(millrace_rdkafka_version include_dir out)
  file(STRINGS "${include_dir}/librdkafka/rdkafka.h" line REGEX "^#define RD_KAFKA_VERSION +0x")
  string(REGEX MATCH "0x(..)(..)(..)" matched "${line}")
  math(EXPR major "0x${CMAKE_MATCH_1}")
  math(EXPR minor "0x${CMAKE_MATCH_2}")
  math(EXPR patch "0x${CMAKE_MATCH_3}")
  set(${out} "${major}.${minor}.${patch}" PARENT_SCOPE)
endfunction()

# MILLRACE_DEPS: where scripts/setup puts what it builds; the build directory may lie anywhere.
set(MILLRACE_DEPS "${CMAKE_CURRENT_LIST_DIR}/../build/deps" CACHE PATH "where scripts/setup builds to")
get_filename_component(millrace_deps "${MILLRACE_DEPS}" ABSOLUTE)

if(EXISTS "${millrace_deps}/librdkafka/lib/librdkafka.a")
  # The link names the version in use; resolved, a new version is a new path and everything is linked again.
  get_filename_component(millrace_rdkafka "${millrace_deps}/librdkafka" REALPATH)
  millrace_rdkafka_version("${millrace_rdkafka}/include" millrace_rdkafka_version)
  find_package(OpenSSL REQUIRED)
  find_package(ZLIB REQUIRED)
  find_package(Threads REQUIRED)
  find_library(MILLRACE_LZ4 lz4 REQUIRED)
  find_library(MILLRACE_ZSTD zstd REQUIRED)
  find_library(MILLRACE_SASL sasl2 REQUIRED)
  add_library(rdkafka::rdkafka STATIC IMPORTED)
  set_target_properties(rdkafka::rdkafka PROPERTIES
    IMPORTED_LOCATION "${millrace_rdkafka}/lib/librdkafka.a"
    INTERFACE_INCLUDE_DIRECTORIES "${millrace_rdkafka}/include")
  target_link_libraries(rdkafka::rdkafka INTERFACE
    OpenSSL::SSL OpenSSL::Crypto "${MILLRACE_SASL}" "${MILLRACE_LZ4}" "${MILLRACE_ZSTD}" ZLIB::ZLIB
    Threads::Threads ${CMAKE_DL_LIBS} m rt)
  message(STATUS "librdkafka ${millrace_rdkafka_version} from build/deps")
else()
  find_path(MILLRACE_RDKAFKA_INCLUDE librdkafka/rdkafka.h)
  find_library(MILLRACE_RDKAFKA_LIBRARY rdkafka)
  set(millrace_rdkafka_version "none")
  if(MILLRACE_RDKAFKA_INCLUDE AND MILLRACE_RDKAFKA_LIBRARY)
    millrace_rdkafka_version("${MILLRACE_RDKAFKA_INCLUDE}" millrace_rdkafka_version)
  endif()
  if(millrace_rdkafka_version STREQUAL "none" OR millrace_rdkafka_version VERSION_LESS MILLRACE_RDKAFKA_MINIMUM)
    message(FATAL_ERROR "librdkafka ${MILLRACE_RDKAFKA_MINIMUM} or newer is needed (the system has: "
      "${millrace_rdkafka_version}). Run scripts/setup, which builds it in build/deps.")
  endif()
  add_library(rdkafka::rdkafka UNKNOWN IMPORTED)
  set_target_properties(rdkafka::rdkafka PROPERTIES
    IMPORTED_LOCATION "${MILLRACE_RDKAFKA_LIBRARY}"
    INTERFACE_INCLUDE_DIRECTORIES "${MILLRACE_RDKAFKA_INCLUDE}")
  message(STATUS "librdkafka ${millrace_rdkafka_version} of the system")
endif()
