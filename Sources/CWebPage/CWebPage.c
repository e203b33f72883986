#include "CWebPage.h"

// A change of a file has this compiled again: the compiler notes what it has embedded.
#pragma clang diagnostic ignored "-Wc23-extensions"

static const uint8_t index_html[] = {
#embed "../Web/Page/index.html"
};
static const uint8_t api_js[] = {
#embed "../Web/Page/api.js"
};
static const uint8_t app_js[] = {
#embed "../Web/Page/app.js"
};
static const uint8_t card_js[] = {
#embed "../Web/Page/card.js"
};
static const uint8_t context_js[] = {
#embed "../Web/Page/context.js"
};
static const uint8_t corner_js[] = {
#embed "../Web/Page/corner.js"
};
static const uint8_t dialog_js[] = {
#embed "../Web/Page/dialog.js"
};
static const uint8_t dom_js[] = {
#embed "../Web/Page/dom.js"
};
static const uint8_t files_js[] = {
#embed "../Web/Page/files.js"
};
static const uint8_t group_js[] = {
#embed "../Web/Page/group.js"
};
static const uint8_t lineage_js[] = {
#embed "../Web/Page/lineage.js"
};
static const uint8_t lists_js[] = {
#embed "../Web/Page/lists.js"
};
static const uint8_t merges_js[] = {
#embed "../Web/Page/merges.js"
};
static const uint8_t overview_js[] = {
#embed "../Web/Page/overview.js"
};
static const uint8_t retention_js[] = {
#embed "../Web/Page/retention.js"
};
static const uint8_t revert_js[] = {
#embed "../Web/Page/revert.js"
};
static const uint8_t rows_js[] = {
#embed "../Web/Page/rows.js"
};
static const uint8_t scale_js[] = {
#embed "../Web/Page/scale.js"
};
static const uint8_t snapshots_js[] = {
#embed "../Web/Page/snapshots.js"
};
static const uint8_t strip_js[] = {
#embed "../Web/Page/strip.js"
};
static const uint8_t style_css[] = {
#embed "../Web/Page/style.css"
};
static const uint8_t timeline_js[] = {
#embed "../Web/Page/timeline.js"
};
static const uint8_t volume_js[] = {
#embed "../Web/Page/volume.js"
};
static const uint8_t words_js[] = {
#embed "../Web/Page/words.js"
};

static const snapmgr_web_page_file files[] = {
    {"index.html", index_html, sizeof index_html},
    {"api.js", api_js, sizeof api_js},
    {"app.js", app_js, sizeof app_js},
    {"card.js", card_js, sizeof card_js},
    {"context.js", context_js, sizeof context_js},
    {"corner.js", corner_js, sizeof corner_js},
    {"dialog.js", dialog_js, sizeof dialog_js},
    {"dom.js", dom_js, sizeof dom_js},
    {"files.js", files_js, sizeof files_js},
    {"group.js", group_js, sizeof group_js},
    {"lineage.js", lineage_js, sizeof lineage_js},
    {"lists.js", lists_js, sizeof lists_js},
    {"merges.js", merges_js, sizeof merges_js},
    {"overview.js", overview_js, sizeof overview_js},
    {"retention.js", retention_js, sizeof retention_js},
    {"revert.js", revert_js, sizeof revert_js},
    {"rows.js", rows_js, sizeof rows_js},
    {"scale.js", scale_js, sizeof scale_js},
    {"snapshots.js", snapshots_js, sizeof snapshots_js},
    {"strip.js", strip_js, sizeof strip_js},
    {"style.css", style_css, sizeof style_css},
    {"timeline.js", timeline_js, sizeof timeline_js},
    {"volume.js", volume_js, sizeof volume_js},
    {"words.js", words_js, sizeof words_js},
};

size_t snapmgr_web_page_count(void) { return sizeof files / sizeof files[0]; }

snapmgr_web_page_file snapmgr_web_page_at(size_t index) { return files[index]; }
