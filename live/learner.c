#include "learner.h"

#include "core/absent.h"
#include "json_scan.h"
#include "traces/decimal.h"

#include <string.h>

#define TRIMMED_FROM ((size_t)1024)  /* bytes at once, of which only the last events are kept */
#define COUNT_MAX (INT64_C(1) << 53) /* what a JSON number holds exactly for everybody */
#define TRIES_MAX 16 /* objects that turn out not to end: each costs a look at all that follows */
#define QUEUE_TIME_MAX_NS (INT64_C(1000000000) * 1000000000)

void sgl_learner_begin(struct sgl_learner *learner, bool is_stream)
{
    learner->is_stream = is_stream;
    sgl_buffer_clear(&learner->end, 2 * SGL_LEARNER_KEPT);
}

#define EACH_BYTE UINT64_C(0x0101010101010101)

/* Where the line begins that ends at `end`. Eight bytes in a leap, when no newline is among them:
 * a byte less one has its top bit then only if it had it before. */
static size_t line_begin(const char *text, size_t end)
{
    while (end >= 8) {
        uint64_t word;
        memcpy(&word, text + end - 8, sizeof word);
        word ^= EACH_BYTE * '\n';
        if (((word - EACH_BYTE) & ~word & EACH_BYTE * 0x80) != 0)
            break;
        end -= 8;
    }
    while (end > 0 && text[end - 1] != '\n')
        end--;
    return end;
}

/* Where the last events of a piece begin, when all that will be looked at is in it; else 0. */
static size_t last_events(const char *bytes, size_t size)
{
    int events = 0;

    for (size_t end = size; end > 0;) {
        const size_t line = line_begin(bytes, end);
        if (line == 0)
            return 0;
        if (end - line >= 5 && memcmp(bytes + line, "data:", 5) == 0) {
            const bool is_done = end - line >= 12 && memcmp(bytes + line + 5, " [DONE]", 7) == 0;
            events += !is_done;
            if (events > SGL_LEARNER_EVENTS)
                return line;
        }
        end = line - 1;
    }
    return 0;
}

void sgl_learner_take(struct sgl_learner *learner, const char *bytes, size_t size)
{
    struct sgl_buffer *end = &learner->end;
    const size_t begin = learner->is_stream && size >= TRIMMED_FROM ? last_events(bytes, size) : 0;

    if (begin > 0) {
        bytes += begin;
        size -= begin;
        end->size = 0;
    }
    if (size >= SGL_LEARNER_KEPT) {
        bytes += size - SGL_LEARNER_KEPT;
        size = SGL_LEARNER_KEPT;
        end->size = 0;
    } else if (end->size + size > 2 * SGL_LEARNER_KEPT) {
        memmove(end->bytes, end->bytes + end->size - SGL_LEARNER_KEPT, SGL_LEARNER_KEPT);
        end->size = SGL_LEARNER_KEPT;
    }
    sgl_buffer_append(end, bytes, size);
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* ---- numbers ---- */

/* A whole number, else nothing. */
static void read_count(const char *text, struct sgl_json_span value, int64_t *count)
{
    struct sgl_decimal number;
    int64_t whole;

    if (sgl_decimal_read(&number, text + value.begin, value.end - value.begin) &&
        sgl_decimal_scale(&number, 0, &whole) == SGL_DECIMAL_EXACT && whole <= COUNT_MAX)
        *count = whole;
}

/* Seconds, else nothing. */
static void read_seconds(const char *text, struct sgl_json_span value, int64_t *nanoseconds)
{
    struct sgl_decimal number;
    int64_t scaled;

    if (sgl_decimal_read(&number, text + value.begin, value.end - value.begin) &&
        sgl_decimal_scale(&number, 9, &scaled) != SGL_DECIMAL_TOO_LARGE)
        *nanoseconds = scaled;
}

/* ---- the objects that hold them ---- */

struct counts {
    int64_t prompt_tokens;
    int64_t output_tokens;
    int64_t cached_tokens;
    int64_t queue_length;
    int64_t queue_time_ns;
    int64_t queue_start_ns;
    int64_t queue_end_ns;
};

static void read_details(const char *text, size_t size, size_t begin, struct counts *counts)
{
    struct sgl_json_span value;

    if (sgl_json_member(text, size, begin, "cached_tokens", &value))
        read_count(text, value, &counts->cached_tokens);
}

/* The members of meta_info, or of usage: the names are the same where the meaning is. False: the
 * object does not end. */
static bool read_object(const char *text, size_t size, size_t begin, bool is_usage,
                        struct counts *counts)
{
    struct sgl_json_walk walk;
    struct sgl_json_part part;

    if (!sgl_json_walk_begin(&walk, text, size, begin) || walk.close != '}')
        return false;
    while (sgl_json_walk_next(&walk, &part)) {
        if (sgl_json_is_named(&walk, &part, "prompt_tokens"))
            read_count(text, part.value, &counts->prompt_tokens);
        else if (sgl_json_is_named(&walk, &part, "completion_tokens"))
            read_count(text, part.value, &counts->output_tokens);
        else if (is_usage && sgl_json_is_named(&walk, &part, "prompt_tokens_details"))
            read_details(text, size, part.value.begin, counts);
        else if (is_usage)
            continue;
        else if (sgl_json_is_named(&walk, &part, "cached_tokens"))
            read_count(text, part.value, &counts->cached_tokens);
        else if (sgl_json_is_named(&walk, &part, "queue_length"))
            read_count(text, part.value, &counts->queue_length);
        else if (sgl_json_is_named(&walk, &part, "queue_time"))
            read_seconds(text, part.value, &counts->queue_time_ns);
        else if (sgl_json_is_named(&walk, &part, "queue_time_start"))
            read_seconds(text, part.value, &counts->queue_start_ns);
        else if (sgl_json_is_named(&walk, &part, "queue_time_end"))
            read_seconds(text, part.value, &counts->queue_end_ns);
    }
    return walk.is_whole;
}

static void tell_counts(const struct counts *counts, struct sgl_outcome *outcome)
{
    int64_t queue_time_ns = counts->queue_time_ns;

    if (queue_time_ns == SGL_ABSENT && counts->queue_start_ns != SGL_ABSENT &&
        counts->queue_end_ns != SGL_ABSENT)
        queue_time_ns = counts->queue_end_ns - counts->queue_start_ns;
    outcome->prompt_tokens = counts->prompt_tokens;
    outcome->output_tokens = counts->output_tokens;
    outcome->cached_tokens = counts->cached_tokens;
    outcome->queue_length = counts->queue_length;
    if (queue_time_ns >= 0 && queue_time_ns < QUEUE_TIME_MAX_NS)
        outcome->queue_time_ns = queue_time_ns;
}

/* Does the text end in `"name"`? */
static bool ends_in(const char *text, size_t size, const char *name, size_t name_size)
{
    return size >= name_size && memcmp(text + size - name_size, name, name_size) == 0;
}

enum holder { NEITHER, META_INFO, USAGE };

/* What the bracket at `at` opens. */
static enum holder holder_at(const char *text, size_t at)
{
    static const char meta[] = "\"meta_info\"";
    static const char usage[] = "\"usage\"";

    while (at > 0 && is_blank(text[at - 1]))
        at--;
    if (at == 0 || text[--at] != ':')
        return NEITHER;
    while (at > 0 && is_blank(text[at - 1]))
        at--;
    if (ends_in(text, at, usage, sizeof usage - 1))
        return USAGE;
    return ends_in(text, at, meta, sizeof meta - 1) ? META_INFO : NEITHER;
}

/* The last object that is whole counts. Brackets are fewer than quotes, and found by leaps. */
static void read_counts(const char *text, size_t size, struct sgl_outcome *outcome)
{
    static const struct counts absent = {SGL_ABSENT, SGL_ABSENT, SGL_ABSENT, SGL_ABSENT,
                                         SGL_ABSENT, SGL_ABSENT, SGL_ABSENT};
    struct {
        size_t at;
        enum holder holder;
    } found[TRIES_MAX]; /* a ring: the last ones */
    size_t count = 0;

    for (size_t at = 0; at < size; at++) {
        const char *bracket = memchr(text + at, '{', size - at);
        if (bracket == NULL)
            break;
        at = (size_t)(bracket - text);
        const enum holder holder = holder_at(text, at);
        if (holder == NEITHER)
            continue;
        found[count % TRIES_MAX].at = at;
        found[count % TRIES_MAX].holder = holder;
        count++;
    }
    const size_t tries = count < TRIES_MAX ? count : TRIES_MAX;
    for (size_t i = 1; i <= tries; i++) {
        const size_t last = (count - i) % TRIES_MAX;
        struct counts counts = absent;
        if (read_object(text, size, found[last].at, found[last].holder == USAGE, &counts)) {
            tell_counts(&counts, outcome);
            return;
        }
    }
}

/* ---- streams ---- */

/* What the last events of a stream are. */
struct ending {
    size_t begin;               /* of the last SGL_LEARNER_EVENTS of them, as far as kept */
    struct sgl_json_span event; /* the data of the last one, [DONE] not counted */
    bool has_event;
    bool is_done; /* [DONE] was said */
};

/* Goes back line by line. */
static struct ending find_ending(const char *text, size_t size)
{
    struct ending ending = {0};
    int events = 0;

    for (size_t end = size; end > 0 && events < SGL_LEARNER_EVENTS;) {
        const size_t line = line_begin(text, end);
        if (end - line >= 5 && memcmp(text + line, "data:", 5) == 0) {
            struct sgl_json_span data = {line + 5, end};
            while (data.begin < data.end && is_blank(text[data.begin]))
                data.begin++;
            while (data.end > data.begin && is_blank(text[data.end - 1]))
                data.end--;
            if (data.end - data.begin == 6 && memcmp(text + data.begin, "[DONE]", 6) == 0) {
                ending.is_done = ending.is_done || !ending.has_event;
            } else {
                events++;
                ending.begin = line;
                if (!ending.has_event)
                    ending.event = data;
                ending.has_event = true;
            }
        }
        end = line > 0 ? line - 1 : 0;
    }
    if (events < SGL_LEARNER_EVENTS)
        ending.begin = 0;
    return ending;
}

static bool is_given(const char *text, struct sgl_json_span value)
{
    return value.end - value.begin != 4 || memcmp(text + value.begin, "null", 4) != 0;
}

/* Has the object at `begin` a finish_reason? */
static bool has_finish_reason(const char *text, size_t size, size_t begin)
{
    struct sgl_json_span reason;

    return sgl_json_member(text, size, begin, "finish_reason", &reason) && is_given(text, reason);
}

/* How the stream ended, by its last event: see the header. */
static const char *word_of(const char *event, size_t size, bool is_done)
{
    struct sgl_json_walk walk;
    struct sgl_json_walk choices;
    struct sgl_json_part part;
    struct sgl_json_part choice;
    bool is_error = false;
    bool is_finished = is_done;

    if (sgl_json_walk_begin(&walk, event, size, 0) && walk.close == '}')
        while (sgl_json_walk_next(&walk, &part)) {
            const size_t begin = part.value.begin;
            if (sgl_json_is_named(&walk, &part, "error"))
                is_error = is_given(event, part.value);
            else if (sgl_json_is_named(&walk, &part, "meta_info"))
                is_finished = is_finished || has_finish_reason(event, size, begin);
            else if (sgl_json_is_named(&walk, &part, "choices") &&
                     sgl_json_walk_begin(&choices, event, size, begin) &&
                     sgl_json_walk_next(&choices, &choice))
                is_finished = is_finished || has_finish_reason(event, size, choice.value.begin);
        }
    if (is_error)
        return "error_event";
    return is_finished ? NULL : "no_done";
}

const char *sgl_learner_end(struct sgl_learner *learner, struct sgl_outcome *outcome)
{
    const char *text = learner->end.bytes;
    const size_t size = learner->end.has_failed ? 0 : learner->end.size;

    if (size == 0)
        return learner->is_stream ? "no_done" : NULL;
    if (!learner->is_stream) {
        read_counts(text, size, outcome);
        return NULL;
    }
    const struct ending ending = find_ending(text, size);
    read_counts(text + ending.begin, size - ending.begin, outcome);
    if (!ending.has_event)
        return ending.is_done ? NULL : "no_done";
    return word_of(text + ending.event.begin, ending.event.end - ending.event.begin,
                   ending.is_done);
}

void sgl_learner_release(struct sgl_learner *learner)
{
    sgl_buffer_release(&learner->end);
}
