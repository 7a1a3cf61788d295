#include "journal.h"

#include "traces/utf8.h"
#include "http_buffer.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <uv.h>

#define RING_LEAST ((size_t)1024 * 1024)
#define KEPT_FREE ((size_t)64 * 1024) /* for inputs about workers */
#define RESTARTED_FROM ((size_t)4 * 1024 * 1024)
#define LAP ((size_t)8 * 1024 * 1024) /* of the ring, while the writer keeps up */
#define NAP_NS 5000000                /* of the writer, when there is nothing to write */
#define COMMIT_NAPS 200               /* and after so many it commits */
#define SECOND_NS UINT64_C(1000000000)
#define RETRY_FIRST_NS (1 * SECOND_NS) /* of a log that has failed */
#define RETRY_LAST_NS (30 * SECOND_NS)
#define WELL_NS (60 * SECOND_NS)

/* A record: this head, then what its offsets point to (0: nothing). All of it is 16-aligned. */
struct record {
    size_t size;       /* 0: the rest of the ring is unused, go on at its start */
    uint64_t sequence; /* 0: the body of a request, input.request, and nothing else */
    uint64_t count;    /* of a gap, and nothing else: inputs lost; of a body: bytes */
    struct sgl_input input;
    uint32_t request; /* offsets, from here on */
    uint32_t decision;
    uint32_t outcome;
    uint32_t candidate_count; /* not an offset */
    uint32_t candidates;
    uint32_t excluded;
    uint32_t prefix_ids;
    uint32_t request_id;
    uint32_t tenant;
    uint32_t session;
    uint32_t model;
    uint32_t url;
    uint32_t error;
    uint32_t body; /* a text */
};

_Static_assert(sizeof(struct record) % 16 == 0, "what follows a head is aligned");

/*
 *      ring   [ . . . | record | record | record | . . . . ]   head, tail: ever written and read,
 *                     ^ tail (writer)            ^ head (pushers)    modulo the ring's size
 *
 *      begun anew before its end, while little waits to be written:
 *             [ record | . . . . . . | record | record | (skipped) ]
 *                      ^ head        ^ tail            |<- LAP ...
 *
 * Memory that was never written to is not there: a ring costs what the longest queue of it needed,
 * at most its size, and LAP while the writer keeps up.
 */
struct sgl_journal {
    struct sgl_sink sink; /* first: the router's pointer is ours */
    struct sgl_log *log;
    struct sgl_buffer scratch; /* the record in the making */
    uint64_t begun_ns;
    uint64_t lost_sequence; /* of a gap not yet written */
    uint64_t lost_count;

    char *ring;
    size_t ring_size;
    _Atomic size_t head;
    _Atomic size_t tail;
    _Atomic uint64_t dropped;
    _Atomic uint64_t dropped_prompts;
    _Atomic bool has_failed;
    _Atomic uint64_t failures;
    _Atomic bool is_closing;
    bool hides_prompts;
    pthread_t writer;
    uint64_t retry_ns; /* by uv_hrtime: the next try, while it has failed; the writer's, so next */
    uint64_t retry_delay_ns;
    uint64_t resumed_ns; /* the last time that it went on */
    pthread_mutex_t failure_mutex;
    struct sgl_failure failure; /* the last one */
};

/* ---- the sink: a record in the making ---- */

static struct record *record_of(struct sgl_journal *journal)
{
    return (struct record *)(void *)journal->scratch.bytes;
}

/* Appends bytes to the record, and gives their offset; 0 when there are none. */
static uint32_t keep(struct sgl_journal *journal, const void *bytes, size_t size)
{
    static const char zeros[16];

    if (bytes == NULL || size == 0)
        return 0;
    const size_t offset = journal->scratch.size;
    sgl_buffer_append(&journal->scratch, bytes, size);
    sgl_buffer_append(&journal->scratch, zeros, (16 - size % 16) % 16);
    if (journal->scratch.size > UINT32_MAX)
        journal->scratch.has_failed = true;
    return (uint32_t)offset;
}

static uint32_t keep_text(struct sgl_journal *journal, const char *text)
{
    return text == NULL ? 0 : keep(journal, text, strlen(text) + 1);
}

static void keep_request(struct sgl_journal *journal, const struct sgl_input *input)
{
    const struct sgl_request *request = input->route.request;
    const uint32_t excluded = keep(journal, input->route.excluded,
                                   input->route.excluded_count * sizeof *input->route.excluded);
    struct sgl_request kept = *request;
    if (journal->hides_prompts)
        kept.prefix_count = 0;
    if (kept.prefix_count == 0)
        kept.prefix_block = 0;
    const uint32_t ids =
        keep(journal, kept.prefix_ids, kept.prefix_count * sizeof *kept.prefix_ids);
    const uint32_t request_id = keep_text(journal, kept.request_id);
    const uint32_t tenant = keep_text(journal, kept.tenant);
    const uint32_t session = keep_text(journal, kept.session);
    const uint32_t model = keep_text(journal, kept.model);
    const uint32_t offset = keep(journal, &kept, sizeof kept);

    if (journal->scratch.has_failed)
        return;
    struct record *record = record_of(journal);
    record->request = offset;
    record->excluded = excluded;
    record->prefix_ids = ids;
    record->request_id = request_id;
    record->tenant = tenant;
    record->session = session;
    record->model = model;
}

static void hear_input(struct sgl_sink *self, uint64_t sequence, const struct sgl_input *input)
{
    struct sgl_journal *journal = (struct sgl_journal *)self;
    const struct record empty = {.sequence = sequence, .input = *input};

    sgl_buffer_append(&journal->scratch, (const char *)&empty, sizeof empty);
    if (journal->scratch.has_failed)
        return;
    if (input->kind == SGL_INPUT_ROUTE) {
        keep_request(journal, input);
    } else if (input->kind == SGL_INPUT_ADD_WORKER) {
        const uint32_t url = keep_text(journal, input->added.url);
        const uint32_t model = keep_text(journal, input->added.model);
        if (!journal->scratch.has_failed) {
            record_of(journal)->url = url;
            record_of(journal)->model = model;
        }
    } else if (input->kind == SGL_INPUT_COMPLETE || input->kind == SGL_INPUT_CANCEL ||
               input->kind == SGL_INPUT_REJECT) {
        const uint32_t error = keep_text(journal, input->outcome.error);
        if (!journal->scratch.has_failed)
            record_of(journal)->error = error;
    }
}

static void hear_decision(struct sgl_sink *self, const struct sgl_decision *decision,
                          const struct sgl_candidate *candidates, uint32_t candidate_count)
{
    struct sgl_journal *journal = (struct sgl_journal *)self;
    const uint64_t now_ns = uv_hrtime();
    struct sgl_decision kept = *decision;

    kept.decision_ns = (int64_t)(now_ns - journal->begun_ns);
    const uint32_t rows = keep(journal, candidates, candidate_count * sizeof *candidates);
    const uint32_t offset = keep(journal, &kept, sizeof kept);
    if (journal->scratch.has_failed)
        return;
    struct record *record = record_of(journal);
    record->decision = offset;
    record->candidates = rows;
    record->candidate_count = candidate_count;
}

static void hear_outcome(struct sgl_sink *self, const struct sgl_outcome_record *outcome)
{
    struct sgl_journal *journal = (struct sgl_journal *)self;
    const uint32_t offset = keep(journal, outcome, sizeof *outcome);

    if (!journal->scratch.has_failed)
        record_of(journal)->outcome = offset;
}

static const struct sgl_sink_ops sink_ops = {
    .input = hear_input,
    .decision = hear_decision,
    .outcome = hear_outcome,
};

struct sgl_sink *sgl_journal_sink(struct sgl_journal *journal)
{
    return &journal->sink;
}

/* ---- the ring ---- */

/* Copies a record into the ring. False: there is no room. */
static bool put(struct sgl_journal *journal, const void *bytes, size_t size, size_t kept_free)
{
    const size_t head = atomic_load_explicit(&journal->head, memory_order_relaxed);
    const size_t tail = atomic_load_explicit(&journal->tail, memory_order_acquire);
    const size_t at = head % journal->ring_size;
    const size_t waiting = head - tail;
    /* A ring is begun anew when it is empty, or when what waits in it is little to what lies free
     * before it: until the writer has passed what was skipped, there is no other room. */
    const bool is_little =
        (waiting == 0 && at >= RESTARTED_FROM) || (at >= LAP && waiting <= LAP / 4);
    const bool begins_anew = is_little && at - waiting >= size + kept_free;
    const size_t skipped =
        begins_anew || journal->ring_size - at < size ? journal->ring_size - at : 0;

    if (waiting + skipped + size + kept_free > journal->ring_size)
        return false;
    if (skipped > 0)
        memset(journal->ring + at, 0, sizeof(size_t));
    char *place = journal->ring + (skipped > 0 ? 0 : at);
    memcpy(place, bytes, size);
    memcpy(place, &size, sizeof size);
    atomic_store_explicit(&journal->head, head + skipped + size, memory_order_release);
    return true;
}

/* Inputs that did not get into the log. */
static void drop(struct sgl_journal *journal, uint64_t count)
{
    atomic_fetch_add_explicit(&journal->dropped, count, memory_order_relaxed);
}

static void drop_prompts(struct sgl_journal *journal, uint64_t count)
{
    atomic_fetch_add_explicit(&journal->dropped_prompts, count, memory_order_relaxed);
}

static bool is_about_workers(enum sgl_input_kind kind)
{
    return kind != SGL_INPUT_ROUTE && kind != SGL_INPUT_FIRST_TOKEN && kind != SGL_INPUT_COMPLETE &&
           kind != SGL_INPUT_CANCEL && kind != SGL_INPUT_REJECT;
}

/* A gap that is owed comes before whatever follows it. */
static bool put_gap(struct sgl_journal *journal, size_t kept_free)
{
    if (journal->lost_count == 0)
        return true;
    const struct record gap = {.sequence = journal->lost_sequence, .count = journal->lost_count};
    if (!put(journal, &gap, sizeof gap, kept_free))
        return false;
    journal->lost_count = 0;
    return true;
}

void sgl_journal_begin(struct sgl_journal *journal)
{
    sgl_buffer_clear(&journal->scratch, KEPT_FREE);
    journal->begun_ns = uv_hrtime();
}

void sgl_journal_push(struct sgl_journal *journal)
{
    struct sgl_buffer *scratch = &journal->scratch;

    if (scratch->size == 0)
        return;
    const struct record *record = record_of(journal);
    const size_t kept_free = is_about_workers(record->input.kind) ? 0 : KEPT_FREE;
    if (!scratch->has_failed && put_gap(journal, kept_free) &&
        put(journal, scratch->bytes, scratch->size, kept_free))
        return;
    if (journal->lost_count++ == 0)
        journal->lost_sequence = record->sequence;
    drop(journal, 1);
}

/* May the text go into a log? It is one line of a file, and one value of a database. */
static bool is_text(const char *body, size_t size)
{
    return size <= SGL_JOURNAL_PROMPT_MAX && memchr(body, '\0', size) == NULL &&
           sgl_utf8_is_valid(body, size);
}

void sgl_journal_push_prompt(struct sgl_journal *journal, int64_t request, const char *body,
                             size_t size)
{
    struct sgl_buffer *scratch = &journal->scratch;
    struct record head = {.count = size, .input = {.request = request}};

    if (is_text(body, size))
        head.body = sizeof head;
    sgl_buffer_clear(scratch, KEPT_FREE);
    sgl_buffer_append(scratch, (const char *)&head, sizeof head);
    if (head.body != 0) {
        static const char zeros[16]; /* one at least, which ends the text */
        sgl_buffer_append(scratch, body, size);
        sgl_buffer_append(scratch, zeros, 16 - size % 16);
    }
    /* Half of the ring stays free: bodies are never in the way of what verify needs. */
    if (scratch->has_failed || !put(journal, scratch->bytes, scratch->size, journal->ring_size / 2))
        drop_prompts(journal, 1);
}

/* ---- the writer ---- */

static const char *text_at(const struct record *record, size_t offset)
{
    return offset == 0 ? NULL : (const char *)record + offset;
}

/* The log may have failed: then it has lost what it had not committed. */
static void look_for_failure(struct sgl_journal *journal)
{
    const char *text = sgl_log_failure(journal->log);
    const uint64_t now_ns = uv_hrtime();

    if (text == NULL || sgl_journal_has_failed(journal))
        return;
    if (journal->retry_delay_ns == 0 || now_ns - journal->resumed_ns > WELL_NS)
        journal->retry_delay_ns = RETRY_FIRST_NS;
    journal->retry_ns = now_ns + journal->retry_delay_ns;
    pthread_mutex_lock(&journal->failure_mutex);
    snprintf(journal->failure.text, sizeof journal->failure.text, "%s", text);
    pthread_mutex_unlock(&journal->failure_mutex);
    drop(journal, sgl_log_uncommitted(journal->log));
    drop_prompts(journal, sgl_log_uncommitted_prompts(journal->log));
    atomic_fetch_add_explicit(&journal->failures, 1, memory_order_relaxed);
    atomic_store_explicit(&journal->has_failed, true, memory_order_release);
}

/* Tries the disk again. Without success, it is left alone for twice as long as before. */
static void resume(struct sgl_journal *journal)
{
    const bool is_well = sgl_log_resume(journal->log, NULL) == SGL_OK;
    const uint64_t now_ns = uv_hrtime();

    journal->retry_delay_ns =
        2 * journal->retry_delay_ns < RETRY_LAST_NS ? 2 * journal->retry_delay_ns : RETRY_LAST_NS;
    journal->retry_ns = now_ns + journal->retry_delay_ns;
    if (!is_well)
        return;
    journal->resumed_ns = now_ns;
    atomic_store_explicit(&journal->has_failed, false, memory_order_release);
}

/* What a log hears that cannot be written: it keeps workers for later, and the rest is lost. */
static void count_lost(struct sgl_journal *journal, const struct record *record)
{
    if (record->sequence == 0)
        drop_prompts(journal, 1);
    else
        drop(journal, record->count == 0 && record->input.kind != SGL_INPUT_ADD_WORKER);
}

/* Says the record to the log, as the router said it. The record is ours: pointers into it replace
 * those that were good for the call. */
static void replay(struct sgl_journal *journal, struct record *record)
{
    struct sgl_sink *sink = sgl_log_sink(journal->log);
    char *base = (char *)record;
    struct sgl_input *input = &record->input;

    if (sgl_journal_has_failed(journal))
        count_lost(journal, record);
    if (record->sequence == 0) {
        sgl_log_prompt(journal->log, input->request, text_at(record, record->body), record->count);
        return;
    }
    if (record->count > 0) {
        sgl_log_gap(journal->log, record->sequence, record->count);
        return;
    }
    struct sgl_outcome_record *outcome = (void *)(base + record->outcome);
    if (input->kind == SGL_INPUT_ROUTE) {
        struct sgl_request *request = (void *)(base + record->request);
        request->prefix_ids =
            record->prefix_ids == 0 ? NULL : (const uint64_t *)(void *)(base + record->prefix_ids);
        request->request_id = text_at(record, record->request_id);
        request->tenant = text_at(record, record->tenant);
        request->session = text_at(record, record->session);
        request->model = text_at(record, record->model);
        input->route.request = request;
        input->route.excluded =
            record->excluded == 0 ? NULL : (const uint32_t *)(void *)(base + record->excluded);
    } else if (input->kind == SGL_INPUT_ADD_WORKER) {
        input->added.url = text_at(record, record->url);
        input->added.model = text_at(record, record->model);
    } else if (record->outcome != 0) {
        input->outcome.error = text_at(record, record->error);
        outcome->outcome = &input->outcome;
    }
    sink->ops->input(sink, record->sequence, input);
    if (record->decision != 0)
        sink->ops->decision(sink, (const struct sgl_decision *)(void *)(base + record->decision),
                            (const struct sgl_candidate *)(void *)(base + record->candidates),
                            record->candidate_count);
    if (record->outcome != 0)
        sink->ops->outcome(sink, outcome);
}

/* Writes what is there. False: nothing was. */
static bool write_some(struct sgl_journal *journal)
{
    size_t tail = atomic_load_explicit(&journal->tail, memory_order_relaxed);
    const size_t head = atomic_load_explicit(&journal->head, memory_order_acquire);

    if (tail == head)
        return false;
    while (tail != head) {
        const size_t at = tail % journal->ring_size;
        struct record *record = (struct record *)(void *)(journal->ring + at);
        if (record->size == 0) {
            tail += journal->ring_size - at;
        } else {
            tail += record->size;
            replay(journal, record);
            look_for_failure(journal);
        }
        atomic_store_explicit(&journal->tail, tail, memory_order_release);
    }
    return true;
}

/* Nothing comes any more. */
static void end_writing(struct sgl_journal *journal)
{
    if (!sgl_journal_has_failed(journal))
        return;
    resume(journal);
    if (sgl_journal_has_failed(journal))
        drop(journal, sgl_log_uncommitted_workers(journal->log));
}

static void *write_all(void *context)
{
    struct sgl_journal *journal = context;
    const struct timespec nap = {.tv_nsec = NAP_NS};
    unsigned naps = 0;

    for (;;) {
        const bool is_last = atomic_load_explicit(&journal->is_closing, memory_order_acquire);
        const bool has_written = write_some(journal);
        if (!has_written && is_last) {
            end_writing(journal);
            return NULL;
        }
        nanosleep(&nap, NULL); /* what comes meanwhile is written together */
        naps = has_written ? 0 : naps + 1;
        if (naps == COMMIT_NAPS)
            sgl_log_commit(journal->log);
        look_for_failure(journal);
        if (sgl_journal_has_failed(journal) && uv_hrtime() >= journal->retry_ns)
            resume(journal);
    }
}

/* ---- life ---- */

static void release(struct sgl_journal *journal)
{
    pthread_mutex_destroy(&journal->failure_mutex);
    sgl_buffer_release(&journal->scratch);
    free(journal->ring);
    free(journal);
}

int sgl_journal_create(struct sgl_journal **journal_out, struct sgl_log *log, size_t ring_size,
                       bool hides_prompts, struct sgl_failure *failure)
{
    struct sgl_journal *journal = calloc(1, sizeof *journal);

    *journal_out = NULL;
    if (journal != NULL) {
        journal->sink = (struct sgl_sink){.ops = &sink_ops, .wants_candidates = true};
        journal->log = log;
        journal->hides_prompts = hides_prompts;
        journal->ring_size = (ring_size < RING_LEAST ? RING_LEAST : ring_size) / 16 * 16;
        journal->ring = malloc(journal->ring_size);
        pthread_mutex_init(&journal->failure_mutex, NULL);
    }
    if (journal == NULL || journal->ring == NULL ||
        pthread_create(&journal->writer, NULL, write_all, journal) != 0) {
        if (journal != NULL)
            release(journal);
        sgl_log_discard(log);
        return sgl_fail(failure, SGL_ENOMEM, "decision log: no memory or thread for its writer");
    }
    *journal_out = journal;
    return SGL_OK;
}

uint64_t sgl_journal_dropped(const struct sgl_journal *journal)
{
    return atomic_load_explicit(&journal->dropped, memory_order_relaxed);
}

uint64_t sgl_journal_dropped_prompts(const struct sgl_journal *journal)
{
    return atomic_load_explicit(&journal->dropped_prompts, memory_order_relaxed);
}

bool sgl_journal_has_failed(const struct sgl_journal *journal)
{
    return atomic_load_explicit(&journal->has_failed, memory_order_relaxed);
}

uint64_t sgl_journal_failures(const struct sgl_journal *journal)
{
    return atomic_load_explicit(&journal->failures, memory_order_relaxed);
}

struct sgl_failure sgl_journal_failure(struct sgl_journal *journal)
{
    pthread_mutex_lock(&journal->failure_mutex);
    const struct sgl_failure failure = journal->failure;
    pthread_mutex_unlock(&journal->failure_mutex);
    return failure;
}

void sgl_journal_drain(struct sgl_journal *journal)
{
    if (atomic_exchange_explicit(&journal->is_closing, true, memory_order_release))
        return;
    pthread_join(journal->writer, NULL);
}

void sgl_journal_tell_gaps(struct sgl_journal *journal, const struct sgl_gaps *gaps)
{
    struct sgl_sink *sink = sgl_log_sink(journal->log);

    sink->ops->gaps(sink, gaps);
}

/* The log is taken out of the journal, which is freed. */
static struct sgl_log *end(struct sgl_journal *journal)
{
    struct sgl_log *log = journal->log;

    sgl_journal_drain(journal);
    if (journal->lost_count > 0)
        sgl_log_gap(log, journal->lost_sequence, journal->lost_count);
    release(journal);
    return log;
}

int sgl_journal_close(struct sgl_journal *journal, struct sgl_failure *failure)
{
    return sgl_log_close(end(journal), failure);
}

void sgl_journal_discard(struct sgl_journal *journal)
{
    sgl_log_discard(end(journal));
}
