#include "status/page_files.h"

#include <algorithm>
#include <array>

// The assembler reads the files; CMake says where they are, and builds this anew when one of them changes.
#define MILLRACE_EMBED(name, file)                \
  __asm__(                                        \
      ".pushsection .rodata\n"                    \
      ".hidden millrace_page_" #name              \
      "\n"                                        \
      ".hidden millrace_page_" #name              \
      "_end\n"                                    \
      ".global millrace_page_" #name              \
      "\n"                                        \
      ".global millrace_page_" #name              \
      "_end\n"                                    \
      "millrace_page_" #name ":\n.incbin \"" file \
      "\"\n"                                      \
      "millrace_page_" #name                      \
      "_end:\n"                                   \
      ".byte 0\n"                                 \
      ".popsection\n");                           \
  extern "C" const char millrace_page_##name[];   \
  extern "C" const char millrace_page_##name##_end[];

MILLRACE_EMBED(html, MILLRACE_PAGE "page.html")
MILLRACE_EMBED(css, MILLRACE_PAGE "page.css")
MILLRACE_EMBED(js, MILLRACE_PAGE "page.js")
MILLRACE_EMBED(text_js, MILLRACE_PAGE "text.js")
MILLRACE_EMBED(table_js, MILLRACE_PAGE "table.js")
MILLRACE_EMBED(layout_js, MILLRACE_PAGE "layout.js")
MILLRACE_EMBED(graph_js, MILLRACE_PAGE "graph.js")
MILLRACE_EMBED(charts_js, MILLRACE_PAGE "charts.js")
MILLRACE_EMBED(overview_js, MILLRACE_PAGE "overview.js")
MILLRACE_EMBED(views_js, MILLRACE_PAGE "views.js")
MILLRACE_EMBED(chart_js, MILLRACE_CHART_JS)

namespace millrace {
namespace {

#define MILLRACE_BODY(name) \
  std::string_view(millrace_page_##name, static_cast<size_t>(millrace_page_##name##_end - millrace_page_##name))

const std::array<PageFile, 11>& files() {
  static const std::array<PageFile, 11> kFiles = {{
      {"/", "text/html; charset=utf-8", MILLRACE_BODY(html)},
      {"/page.css", "text/css; charset=utf-8", MILLRACE_BODY(css)},
      {"/page.js", "text/javascript; charset=utf-8", MILLRACE_BODY(js)},
      {"/text.js", "text/javascript; charset=utf-8", MILLRACE_BODY(text_js)},
      {"/table.js", "text/javascript; charset=utf-8", MILLRACE_BODY(table_js)},
      {"/layout.js", "text/javascript; charset=utf-8", MILLRACE_BODY(layout_js)},
      {"/graph.js", "text/javascript; charset=utf-8", MILLRACE_BODY(graph_js)},
      {"/charts.js", "text/javascript; charset=utf-8", MILLRACE_BODY(charts_js)},
      {"/overview.js", "text/javascript; charset=utf-8", MILLRACE_BODY(overview_js)},
      {"/views.js", "text/javascript; charset=utf-8", MILLRACE_BODY(views_js)},
      {"/chart.js", "text/javascript; charset=utf-8", MILLRACE_BODY(chart_js)},
  }};
  return kFiles;
}

}  // namespace

const PageFile* find_page_file(std::string_view path) {
  const auto found =
      std::find_if(files().begin(), files().end(), [path](const PageFile& file) { return file.path == path; });
  return found == files().end() ? nullptr : &*found;
}

}  // namespace millrace
