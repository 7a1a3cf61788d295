/*
 * report.h - a comparison, ready to be shown: with what it is about, and its gates.
 *
 *     struct sgl_report --> report_text.c   the table on the terminal
 *                       --> report_markdown.c, report_csv.c, report_json.c
 *                       --> html/           one page with pictures
 *
 * Every kind of output reads this and nothing else.
 */
#ifndef SGL_ANALYSIS_REPORT_H
#define SGL_ANALYSIS_REPORT_H

#include "analysis/compare.h"
#include "analysis/gate.h"
#include "analysis/population.h"

#include <stdio.h>

/* What a reader needs to know beside the figures, or to make them again. */
struct sgl_report_fact {
    const char *key;
    char *value; /* owned by the report */
};

#define SGL_REPORT_FACTS_MAX 48
#define SGL_REPORT_NOTES_MAX 25

/* Lines that a policy lets be drawn into pictures of load; NaN: it has none. */
struct sgl_report_policy {
    char *text; /* resolved; owned */
    double balance_abs_threshold;
    double balance_rel_threshold;
};

struct sgl_report {
    const char *kind;    /* "sim", "live" or "mixed" */
    const char *version; /* of the program */
    const struct sgl_comparison *comparison;
    const struct sgl_population_facts *population; /* NULL: finished logs */
    bool resamples;
    bool wanted_warm_up; /* a cut was asked for */
    bool is_stationary;  /* and there was one */
    uint64_t warm_up;
    struct sgl_objectives objectives;
    struct sgl_report_policy *policies; /* one per arm */
    struct sgl_report_fact facts[SGL_REPORT_FACTS_MAX];
    uint32_t fact_count;
    char *notes[SGL_REPORT_NOTES_MAX]; /* caveats; owned */
    uint32_t note_count;
    const struct sgl_gate *gates;
    uint32_t gate_count;
};

/* Adds a formatted fact or note; false without memory. More than there is room for is a bug. */
bool sgl_report_fact(struct sgl_report *report, const char *key, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
bool sgl_report_note(struct sgl_report *report, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Frees facts and notes. */
void sgl_report_release(struct sgl_report *report);

/* What the intervals are about, in one sentence. */
const char *sgl_report_population(const struct sgl_report *report, char *out, size_t size);

/* What B is against the baseline, in one sentence, from the headline figures. */
const char *sgl_report_verdict(const struct sgl_report *report, uint32_t load, uint32_t arm,
                               char *out, size_t size);

/* "A" for the baseline, then "B" ... */
static inline char sgl_report_letter(uint32_t arm)
{
    return arm < 26 ? (char)('A' + arm) : '?';
}

/* Kinds of output: by the suffix of the path. Each writes the whole of it; SGL_OK, SGL_ENOMEM, or
 * SGL_EIO when the stream failed. */
typedef int sgl_report_writer(FILE *out, const struct sgl_report *report);
sgl_report_writer sgl_report_text;
sgl_report_writer sgl_report_markdown;
sgl_report_writer sgl_report_csv;
sgl_report_writer sgl_report_json;
sgl_report_writer sgl_report_html; /* html/page.h */

/* Says where percentiles are not exact, and where a latency has no interval for want of requests.
 * False: no memory. */
bool sgl_report_note_limits(struct sgl_report *report);

/* The writer for that path, or NULL for an unknown suffix. */
sgl_report_writer *sgl_report_writer_of(const char *path);
#define SGL_REPORT_SUFFIXES ".html, .json, .csv, .md, .txt"

#endif
